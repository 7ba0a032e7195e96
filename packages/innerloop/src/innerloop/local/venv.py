"""A cached environment made from the experiment's locked requirements: the default where there is no
Docker engine. The packages are the same; the operating system is this machine's own."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..model.dockerfiles.dockerfile import Dockerfile
from ..model.experiment import Experiment
from ..model.run import Request, Run
from ..model.workspace import Workspace
from ..util import files, process, venvs
from ..util.errors import UserError
from . import host_process


def request(
    run: Run,
    *,
    environment: Path | None,
    why: str,
    notes: tuple[str, ...] = (),
    trust: Mapping[str, str] | None = None,
) -> Request:
    """The request for a process in the environment. `trust` are the variables that name a company's
    certificate authority. Without an `environment` the request cannot start, but describes
    everything else."""
    if environment is None:
        return host_process.request(
            run, backend="venv", env={}, why=why, notes=notes, can_start=False
        )
    path = os.pathsep.join([str(venvs.programs_of(environment)), os.environ.get("PATH", "")])
    env = {**(trust or {}), "PATH": path, "VIRTUAL_ENV": str(environment)}
    return host_process.request(run, backend="venv", env=env, why=why, notes=notes)


def submit(run: Run, request: Request) -> int:
    return host_process.submit(run, request)


def requirements(workspace: Workspace, experiment: Experiment, dev: bool = False) -> list[Path]:
    """The locks to install from: requirements.txt, and with `dev` also requirements-dev.txt if it
    exists. UserError when the experiment has no requirements.txt."""
    return locks_in(workspace, f"{experiment.folder}/environment", dev)


def locks_in(workspace: Workspace, context: str, dev: bool = False) -> list[Path]:
    """The locks of any folder with a Dockerfile, relative to the workspace's root."""
    folder = Path(workspace.root, context)
    locked = folder / "requirements.txt"
    if not locked.is_file():
        raise UserError(
            f"the backend venv needs {context}/requirements.txt, which does not exist",
            code="requirements-missing",
            where=context,
            hint="Write it (with hashes: `uv pip compile --generate-hashes`), or start Docker",
        )
    dev_lock = folder / "requirements-dev.txt"
    return [locked, dev_lock] if dev and dev_lock.is_file() else [locked]


def environment_of(
    experiment: Experiment, locked: Sequence[Path], python: str, text: str = ""
) -> Path:
    """The environment's folder, keyed by its content: the locks (or `text`, the requirements
    themselves), the Python version and this system."""
    text += "\n".join(files.read_text(path) or "" for path in locked)
    key = hashlib.sha256(f"{venvs.tag()}\n{python}\n{text}".encode()).hexdigest()[:12]
    return venvs.cache_folder() / "envs" / f"{experiment.slug}-{key}"


def python_for(experiment: Experiment) -> tuple[str, str, str]:
    """An interpreter of the image's Python version if this machine has one, else this Python:
    (program, its version "3.11", a note when the version differs from the image's, else "")."""
    return interpreter(version_in(experiment.dockerfile))


def version_in(dockerfile: Dockerfile | None) -> str:
    """The Python version in the name of a Dockerfile's base image ("3.11"), or ""."""
    image = dockerfile.image_of(dockerfile.last) if dockerfile else ""
    match = re.search(r"python:(\d+\.\d+)", image)
    return match[1] if match else ""


def interpreter(version: str) -> tuple[str, str, str]:
    """Like `python_for`, for a version from an image or a conda file; "" accepts any version."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = getattr(sys, "_base_executable", None) or sys.executable
    if version in ("", own):
        return base, own, ""
    program = process.which(f"python{version}")
    if program and process.run([program, "-c", "import sys"]).ok:
        return program, version, ""
    return base, own, f"the image has Python {version}, this machine has {own}"
