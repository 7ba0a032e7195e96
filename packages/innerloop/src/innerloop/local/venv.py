"""A cached environment made from the experiment's locked requirements.

It is the default where there is no Docker engine. The packages are the same; the operating system
is this machine's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..docker import buildkit, container_context
from ..model import environment_source
from ..model.experiment import Experiment
from ..model.run import Availability, Request, Run
from ..model.workspace import Workspace
from ..util import venvs
from . import host_process, process_gpus, venv_requirements

name = "venv"


def available(workspace: Workspace) -> Availability:
    """Always: a Python runs this tool.

    `why` is empty, since the reason for this backend is what prevents those before it.
    """
    return Availability(True, "")


def supports(workspace: Workspace, experiment: Experiment) -> bool:
    paths = experiment.paths
    if paths.source in ("conda", "pixi"):
        return paths.source == "conda"
    if paths.lock:
        return Path(workspace.root, paths.lock).is_file()
    folder = Path(workspace.root, paths.context)
    return any((folder / name).is_file() for name in environment_source.OF_VENV)


def plan(run: Run) -> Request:
    packages = venv_requirements.packages_for(run.workspace, run.environment)
    _, version, note = venv_requirements.interpreter(packages.python)
    environment = venv_requirements.environment_of(
        run.experiment, packages.files, version, packages.key
    )
    planned = request(
        run,
        environment=None if packages.missing else environment,
        trust=container_context.trust_here(buildkit.network_of(run.workspace)),
    )
    missing = (packages.missing,) if packages.missing else ()
    planned = replace(planned, needs_build=not venvs.is_ready(environment), missing=missing)
    planned = process_gpus.with_gpu(planned, run.experiment.settings.gpu)
    return planned.with_notes(*packages.notes, *([note] if note else []))


def prepare(run: Run, request: Request) -> None:
    """Installs the environment if it is missing."""
    if not request.needs_build:
        return
    host_process.require_bash()  # before minutes of installing
    packages = venv_requirements.packages_for(run.workspace, run.environment)
    program, version, _ = venv_requirements.interpreter(packages.python)
    environment = venv_requirements.environment_of(
        run.experiment, packages.files, version, packages.key
    )
    network = buildkit.network_of(run.workspace)
    venv_requirements.install(run, packages, environment, program, _say, network)


def request(
    run: Run, *, environment: Path | None, trust: Mapping[str, str] | None = None
) -> Request:
    """The request for a process in the environment.

    `trust` are the variables that name a company's certificate authority. Without an `environment`
    the request cannot start, but describes everything else.
    """
    if environment is None:
        return host_process.request(run, backend=name, env={}, why="", can_start=False)
    path = os.pathsep.join([str(venvs.programs_of(environment)), os.environ.get("PATH", "")])
    env = {**(trust or {}), "PATH": path, "VIRTUAL_ENV": str(environment)}
    if os.name == "nt" and "PYTHONUTF8" not in {**os.environ, **run.job.environment_variables}:
        env["PYTHONUTF8"] = "1"  # as in a container: else the code page decides
    return host_process.request(run, backend=name, env=env, why="")


def submit(run: Run, request: Request) -> int:
    return host_process.submit(run, request)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
