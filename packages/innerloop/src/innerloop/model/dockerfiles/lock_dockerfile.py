"""The Dockerfile for an environment that is a lock. Pure.

Each is installed by its own program, pip's by uv where that can, and checked against its hashes:
nothing is resolved while the image is built. The project's own code is not installed: a run mounts it.
uv itself, and what a poetry.lock pins, are in the Dockerfile's text, so that a plain `docker build`
needs no other file.

Sources: uv's guide "Using uv in Docker"; Poetry's "poetry export"; pixi's "Container".
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping

from ..environment_lock import REQUIREMENTS, EnvironmentLock, LockUse
from ..environment_source import EnvironmentSource
from .requirements_steps import (
    UV_FOLDER,
    bytecode_step,
    install_step,
    listed_uv,
    pip_install,
    uv_step,
)

# Where the environment is in the image; it is first on PATH.
ENVIRONMENT = "/opt/innerloop/env"
_FOLDER = "/opt/innerloop"
_PIXI = f"{_FOLDER}/.pixi/envs/default"
# The characters of a RUN: a program's argument has at most 128 KiB on Linux.
_LONGEST = 60_000


def usual_base(source: EnvironmentSource) -> str:
    """The base image where no setting names one."""
    if source.kind == "pixi":
        return "ghcr.io/prefix-dev/pixi:latest"
    return f"python:{source.usual_python}-slim-bookworm"


def of_lock(lock: EnvironmentLock, base: str = "", *, uv: str = "") -> str:
    """The Dockerfile of one stage; its build's folder has the lock's files by their names.

    `uv`: the lock of uv itself. ValueError for what is no lock.
    """
    return (
        _head(lock, base or usual_base(lock.source), uv, lambda name: name)
        + _install(lock)
        + _end(lock)
    )


def of_uses(
    locks: Mapping[LockUse, EnvironmentLock], base: str, *, uv: str, places: Mapping[str, str]
) -> str:
    """The Dockerfile with a stage for each use of a lock, on that of the job, which is also the last.

    A use that installs what the job has gets no stage. `places`: where each of the lock's files is
    in the build's folder.
    """
    job = locks["job"]
    others = {use: lock for use, lock in locks.items() if lock.key != job.key}
    first = base or usual_base(job.source)
    if not others:
        return _head(job, first, uv, places.__getitem__) + _install(job) + _end(job)
    text = _head(job, f"{first} AS base", uv, places.__getitem__) + _install(job) + _end(job)
    for use, lock in others.items():
        install = _install(lock, f"requirements-{use}.txt")
        text += f"\nFROM base AS {use}\nWORKDIR {_FOLDER}\n{install}WORKDIR /\n"
    return f"{text}\nFROM base AS job\n"


def _head(lock: EnvironmentLock, base: str, uv: str, place: Callable[[str], str]) -> str:
    """What all stages need: uv, and the files of the lock."""
    if lock.source.kind not in ("requirements", "uv", "pylock", "poetry", "pixi"):
        raise ValueError(lock.source.kind)
    text = f"FROM {base}\nUSER root\nWORKDIR {_FOLDER}\n"
    if lock.is_uvs:
        text += _uv_itself(uv)
    elif lock.is_pips and lock.is_hashed:
        text += uv_step(uv)
    return text + "".join(f"COPY {json.dumps([place(name), name])}\n" for name, _ in lock.files)


def _uv_itself(lock: str) -> str:
    """Uv at one version that is checked against its hashes, in an environment of its own."""
    file = "uv-itself.txt"
    return (
        f"RUN {listed_uv(lock, file)} \\\n"
        f"    && python3 -m venv {UV_FOLDER} \\\n"
        f"    && {pip_install(f'{UV_FOLDER}/bin/python3')} \\\n"
        f"        --require-hashes -r {file}\n"
    )


def _install(lock: EnvironmentLock, requirements: str = REQUIREMENTS) -> str:
    """The instructions that install a lock; `requirements`: the file that is written for pip."""
    kind = lock.source.kind
    if kind == "uv":
        return _by_uv(
            f"UV_PROJECT_ENVIRONMENT={ENVIRONMENT} uv sync --frozen --no-install-workspace "
            f"{' '.join(lock.options)} --no-cache --no-python-downloads"
        )
    if kind == "pylock":
        return _by_uv(
            f"uv venv --no-python-downloads {ENVIRONMENT} && "
            f"uv pip sync --no-cache --python {ENVIRONMENT} pylock.toml"
        )
    if kind == "pixi":
        return "RUN pixi install --frozen\n"
    written = "" if lock.files else "".join(_written(lock.requirements, requirements))
    return f"{written}{install_step(requirements, hashed=lock.is_hashed)}{bytecode_step()}"


def _by_uv(command: str) -> str:
    return (
        f"RUN PATH={UV_FOLDER}/bin:$PATH && {command}\n{bytecode_step(f'{ENVIRONMENT}/bin/python')}"
    )


def _written(text: str, file: str) -> Iterator[str]:
    """The instructions that write a requirements file."""
    words = [shlex.quote(line) for line in text.splitlines()]
    while True:
        size, count = 0, 0
        while count < len(words) and (not count or size + len(words[count]) < _LONGEST):
            size += len(words[count])
            count += 1
        listed = " \\\n    ".join([*words[:count], f">> {file}"])
        yield f"RUN printf '%s\\n' \\\n    {listed}\n"
        words = words[count:]
        if not words:
            return


def _end(lock: EnvironmentLock) -> str:
    plain = "ENV PYTHONUNBUFFERED=1\nWORKDIR /\n"
    if lock.is_uvs:
        return f"ENV PATH={ENVIRONMENT}/bin:$PATH VIRTUAL_ENV={ENVIRONMENT}\n{plain}"
    if lock.source.kind == "pixi":
        return f"ENV PATH={_PIXI}/bin:$PATH CONDA_PREFIX={_PIXI}\n{plain}"
    return plain
