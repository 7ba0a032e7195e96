"""A cached environment made from the experiment's locked requirements: the default where there
is no Docker engine. The packages are the same; the operating system is this machine's own."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    """`trust`: the variables that name a company's certificate authority. Without an
    `environment` nothing is started, and all the rest is said."""
    if environment is None:
        wanted = host_process.request(run, backend="venv", env={}, why=why, notes=notes)
        return replace(wanted, argv=())
    path = os.pathsep.join([str(venvs.programs_of(environment)), os.environ.get("PATH", "")])
    env = {**(trust or {}), "PATH": path, "VIRTUAL_ENV": str(environment)}
    return host_process.request(run, backend="venv", env=env, why=why, notes=notes)


def submit(run: Run, wanted: Request) -> int:
    return host_process.submit(run, wanted)


def requirements(workspace: Workspace, experiment: Experiment, dev: bool = False) -> list[Path]:
    """The locks to install from: requirements.txt, and for `dev` requirements-dev.txt on top where
    there is one. A `Mistake` when the experiment has none."""
    return listed(workspace, f"{experiment.folder}/environment", dev)


def listed(workspace: Workspace, context: str, dev: bool = False) -> list[Path]:
    """The same of any folder that a Dockerfile stands in, relative to the workspace's root."""
    folder = Path(workspace.root, context)
    locked = folder / "requirements.txt"
    if not locked.is_file():
        raise UserError(
            f"the venv place needs {context}/requirements.txt, and there is none",
            where=context,
            hint="Write it (with hashes: `uv pip compile --generate-hashes`), or start Docker",
        )
    tools = folder / "requirements-dev.txt"
    return [locked, tools] if dev and tools.is_file() else [locked]


def environment_of(
    experiment: Experiment, locked: Sequence[Path], python: str, text: str = ""
) -> Path:
    """Keyed by what it is made of: the locks (or `text`, the requirements themselves), the
    Python's version, this system."""
    text += "\n".join(files.read_text(path) or "" for path in locked)
    key = hashlib.sha256(f"{venvs.tag()}\n{python}\n{text}".encode()).hexdigest()[:12]
    return venvs.cache_folder() / "envs" / f"{experiment.slug}-{key}"


def python_for(experiment: Experiment) -> tuple[str, str, str]:
    """An interpreter of the version that the Dockerfile's image has, where this machine has one:
    (program, its version "3.11", a note when it is another version than the image's)."""
    return interpreter(version_in(experiment.dockerfile))


def version_in(dockerfile: Dockerfile | None) -> str:
    """The Python that a Dockerfile's base image has by its name ("3.11"); "" when it is silent."""
    image = dockerfile.image_of(dockerfile.last) if dockerfile else ""
    match = re.search(r"python:(\d+\.\d+)", image)
    return match[1] if match else ""


def interpreter(version: str) -> tuple[str, str, str]:
    """As `python_for`, for the version that the image or the conda file asks for."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = getattr(sys, "_base_executable", None) or sys.executable
    if version in ("", own):
        return base, own, ""
    program = process.which(f"python{version}")
    if program and process.run([program, "-c", "import sys"]).ok:
        return program, version, ""
    return base, own, f"the image has Python {version}, this machine has {own}"
