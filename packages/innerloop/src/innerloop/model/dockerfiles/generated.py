"""The Dockerfile that is generated for an environment which is a conda file or a lock.

The file is copied from the build's context, with those that it refers to, so an edit of it is a change
of the context and not of the Dockerfile.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Sequence

# The images to start from if the job names none. Azure ML's own has conda.
CONDA_BASE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
PYTHON_BASE = "python:3.11-slim-bookworm"
# Where the files are in the image, and the environment that conda makes.
FOLDER = "/opt/innerloop/files"
CONDA_PREFIX = "/opt/innerloop/env"

_HEAD = """# Generated from {file}. To write one of your own, name it in [experiments.{name}]:
# environment = "PATH/TO/Dockerfile".
"""


def of_requirements(name: str, file: str, base: str, copied: Sequence[str], *, uv: str = "") -> str:
    """Installs a requirements file, `copied` with what it refers to: their paths in the context.

    `uv`: the lock of uv itself, for files with hashes. Without it, pip installs.
    """
    # Few commands write such a Dockerfile.
    from .requirements_steps import bytecode_step, install_step, uv_step

    return (
        _HEAD.format(file=file, name=name)
        + f"FROM {base}\nUSER root\n"
        + (uv_step(uv) if uv else "")
        + _copies(copied)
        + install_step(_inside(copied[0]), hashed=bool(uv), enforced=False)
        + bytecode_step()
        + "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\n"
    )


def of_lock(name: str, file: str, text: str) -> str:
    """The Dockerfile of a lock, `text`, with what it is generated from."""
    return _HEAD.format(file=file, name=name) + text


def of_conda(
    name: str,
    file: str,
    base: str,
    copied: Sequence[str],
    requirements: Sequence[str],
    constraints: Sequence[str] = (),
) -> str:
    """Makes an environment from a conda file, which is first on PATH, as on Azure ML.

    An image without conda gets `requirements` by pip, with `constraints`.
    """
    from .requirements_steps import pip_install

    inside = shlex.quote(_inside(copied[0]))
    lines = " ".join(shlex.quote(line) for line in requirements)
    install = f"printf '%s\\n' {lines} > /tmp/pip.txt; {pip_install()} --requirement /tmp/pip.txt"
    if constraints:
        limits = " ".join(shlex.quote(line) for line in constraints)
        install = (
            f"printf '%s\\n' {limits} > /tmp/limits.txt; {install} --constraint /tmp/limits.txt"
        )
    if not requirements:
        install = "true"
    return (
        _HEAD.format(file=file, name=name)
        + f"FROM {base}\nUSER root\n"
        + _copies(copied)
        + conda_steps(inside, install)
    )


def conda_steps(file: str, otherwise: str) -> str:
    """Instructions that make an environment of a conda file, which is first on PATH, as on Azure ML.

    `file` is a word of a shell, `otherwise` the shell's commands for an image without conda.
    """
    steps = (
        "set -e; tool=; for name in mamba conda micromamba; do "
        'if [ -z "$tool" ] && command -v $name > /dev/null 2>&1; then tool=$name; fi; done; '
        'if [ -n "$tool" ]; then '
        f"$tool env create --yes --prefix {CONDA_PREFIX} --file {file} 2> /tmp/why || "
        "{ grep -q 'unrecognized arguments' /tmp/why && "
        f"$tool env create --prefix {CONDA_PREFIX} --file {file}; }} || "
        "{ cat /tmp/why >&2; exit 1; }; "
        f"else echo 'innerloop: this image has no conda, so pip installs the packages'; {otherwise}; fi"
    )
    path = f"{CONDA_PREFIX}/bin:$PATH"
    return f"RUN {steps}\nENV PATH={path} CONDA_DEFAULT_ENV={CONDA_PREFIX}\n"


def _copies(paths: Sequence[str]) -> str:
    """Each file at its place below FOLDER, so that the paths between them stay valid."""
    return "".join(f"COPY {json.dumps([path, _inside(path)])}\n" for path in paths)


def _inside(path: str) -> str:
    return posixpath.join(FOLDER, path)
