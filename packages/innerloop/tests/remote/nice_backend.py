"""A local backend in one file: the job runs on this machine with a low priority (`nice`)."""

from __future__ import annotations

import sys

from innerloop.local import host_process
from innerloop.model.experiment import Experiment
from innerloop.model.run import Availability, Request, Run
from innerloop.model.workspace import Workspace
from innerloop.util import process

name = "nice"
PRIORITY = ("nice", "-n", "10")


def available(workspace: Workspace) -> Availability:
    path = process.which("nice")
    if not path:
        return Availability(False, "nice is not on PATH", "Install coreutils")
    return Availability(True, f"{path} is on PATH")


def supports(workspace: Workspace, experiment: Experiment) -> bool:
    return sys.platform != "win32"


def plan(run: Run) -> Request:
    request = host_process.request(run, backend=name, env={}, why="low priority")
    return request.with_command_prefix(PRIORITY)


def prepare(run: Run, request: Request) -> None:
    """The program uses what is installed on this machine."""


def submit(run: Run, request: Request) -> int:
    return host_process.submit(run, request)
