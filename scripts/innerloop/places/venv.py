"""A cached environment made from the experiment's locked requirements: the default where there
is no Docker engine. The packages are the same; the operating system is this machine's own."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import environments, files, process
from ..errors import Mistake
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace
from . import Request, Run, here

REQUIREMENTS = "environment/requirements.txt"


def request(
    run: Run,
    *,
    environment: Path,
    why: str,
    notes: tuple[str, ...] = (),
    trust: Mapping[str, str] | None = None,
) -> Request:
    """`trust`: the variables that name a company's certificate authority."""
    path = os.pathsep.join([str(environments.programs_of(environment)), os.environ.get("PATH", "")])
    env = {**(trust or {}), "PATH": path, "VIRTUAL_ENV": str(environment)}
    return here.request(run, place="venv", env=env, why=why, notes=notes)


def submit(run: Run, wanted: Request) -> int:
    return here.submit(run, wanted)


def requirements(workspace: Workspace, experiment: Experiment, dev: bool = False) -> list[Path]:
    """The locks to install from: requirements.txt, and for `dev` requirements-dev.txt on top where
    there is one. A `Mistake` when the experiment has none."""
    folder = Path(workspace.root, experiment.folder, "environment")
    locked = folder / "requirements.txt"
    if not locked.is_file():
        raise Mistake(
            f"the venv place needs {experiment.folder}/{REQUIREMENTS}, and there is none",
            where=experiment.folder,
            mend="Write it (with hashes: `uv pip compile --generate-hashes`), or start Docker",
        )
    tools = folder / "requirements-dev.txt"
    return [locked, tools] if dev and tools.is_file() else [locked]


def environment_of(experiment: Experiment, locked: Sequence[Path], python: str) -> Path:
    """Keyed by what it is made of: the locks, the Python's version, this system."""
    text = "\n".join(files.read_text(path) or "" for path in locked)
    key = hashlib.sha256(f"{environments.tag()}\n{python}\n{text}".encode()).hexdigest()[:12]
    return environments.cache_folder() / "envs" / f"{experiment.slug}-{key}"


def python_for(experiment: Experiment) -> tuple[str, str, str]:
    """An interpreter of the version that the Dockerfile's image has, where this machine has one:
    (program, its version "3.11", a note when it is another version than the image's)."""
    image = experiment.dockerfile.image_of(experiment.dockerfile.last)
    match = re.search(r"python:(\d+\.\d+)", image)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = getattr(sys, "_base_executable", None) or sys.executable
    if match is None or match[1] == own:
        return base, own, ""
    program = process.found(f"python{match[1]}")
    if program and process.run([program, "-c", "import sys"]).ok:
        return program, match[1], ""
    return base, own, f"the image has Python {match[1]}, this machine has {own}"
