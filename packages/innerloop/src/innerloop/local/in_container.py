"""Runs the command right here: this is the experiment's own dev container."""

from __future__ import annotations

import os
import sys

from ..devcontainers import staleness
from ..model.experiment import Experiment
from ..model.run import Availability, Request, Run
from ..model.workspace import Workspace
from ..util.errors import UserError
from ..workspace.loader import current_experiment
from . import dev_container, host_process, process_gpus

name = "in-container"


def available(workspace: Workspace) -> Availability:
    if current_experiment() is None:
        return Availability(
            False, "this is not a dev container", "`scripts/loop up EXP` opens an experiment's"
        )
    return Availability(True, "we are in the experiment's container")


def supports(workspace: Workspace, experiment: Experiment) -> bool:
    return current_experiment() == experiment.name


def plan(run: Run) -> Request:
    own = current_experiment()
    if own is None:
        raise UserError(
            f"this is not the dev container of {run.experiment.name}",
            code="wrong-container",
            hint="Reopen in that container, or omit --backend",
        )
    if own != run.experiment.name:
        dev_container.require_outside(run.experiment.name)
    notes = [] if run.environment.is_own else [_OTHER_ENVIRONMENT]
    outdated = staleness.outdated(run.workspace, run.experiment.name)
    notes += [container.message() for container in outdated]
    planned = request(run).with_env(_path()).with_notes(*notes)
    return process_gpus.with_gpu(planned, run.experiment.settings.gpu)


def _path() -> dict[str, str]:
    """PATH with the folder where `pip install` puts programs for a user who is not root."""
    programs, path = os.path.expanduser("~/.local/bin"), os.environ.get("PATH", "")
    if sys.platform == "win32" or os.getuid() == 0 or programs in path.split(os.pathsep):
        return {}
    return {"PATH": f"{programs}{os.pathsep}{path}"}


_OTHER_ENVIRONMENT = "the job names another environment than this container's"


def request(run: Run) -> Request:
    """The request, wherever this process runs."""
    return host_process.request(run, backend=name, env={}, why="")


def prepare(run: Run, request: Request) -> None:
    """The container is the environment."""


def submit(run: Run, request: Request) -> int:
    return host_process.submit(run, request)
