"""The servers of an experiment that run on this machine."""

from __future__ import annotations

from pathlib import Path

from ..docker import client, containers, docker_cli, engine_location
from ..local import lost_runs
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`name` of the container, `port` of this machine, `path` of the predictions."""

    name: str
    port: int
    path: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


def running(workspace: Workspace, experiment: Experiment) -> list[RunningServer]:
    """The newest first. UserError when no engine answers that sees the workspace."""
    found = _listed(workspace, experiment)
    if found is None:
        engine_location.require(engine_location.ask("innerloop", workspace.root))
    return found or []


def _listed(workspace: Workspace, experiment: Experiment) -> list[RunningServer] | None:
    """The servers that the engine lists; None when none answers that sees the workspace."""
    if not client.is_installed() or engine_location.is_elsewhere(workspace.root):
        return None
    done = process.run(docker_cli.servers_of(workspace.identity, experiment.name), timeout=30)
    if not done.ok:
        return None
    lines = [line.split("\t") for line in done.out.splitlines()]
    return [RunningServer(name, int(port), path) for name, port, path in lines if port.isdigit()]


def newest(workspace: Workspace, experiment: Experiment) -> RunningServer:
    """UserError when no server of the experiment runs here."""
    servers = running(workspace, experiment)
    if not servers:
        raise UserError(
            f"no server of {experiment.name} runs here",
            code="server-not-running",
            hint=f"Start one with `scripts/loop serve {experiment.name}` in another terminal, or "
            "name the deployed one with --endpoint",
        )
    return servers[0]


def take_over(workspace: Workspace, experiment: Experiment) -> None:
    """Stop the experiment's servers whose `serve` was killed: nobody watches them.

    Those of another terminal and those in the background are named. Without an engine there are
    none.
    """
    lost = lost_runs.unwatched(workspace)
    for server in _listed(workspace, experiment) or []:
        if server.name in lost:
            console.say(f"the server at {server.url} was left by a command that was killed")
            _stop(server)
        else:
            console.say(f"{experiment.name} is served at {server.url} too")
    lost_runs.settle_all(Path(workspace.root))


def stop_all(workspace: Workspace, experiment: Experiment) -> int:
    """Stop the experiment's servers on this machine. Returns the exit code 0, also if none runs."""
    servers = running(workspace, experiment)
    for server in servers:
        _stop(server)
    for container in containers.of_workspace(workspace.identity) or []:
        if container.is_server and container.experiment == experiment.name:
            containers.remove(container.id)  # it has ended, and its command was killed
    lost_runs.settle_all(Path(workspace.root))
    if not servers:
        console.say(f"no server of {experiment.name} runs here")
    return 0


def _stop(server: RunningServer) -> None:
    process.run(docker_cli.stop(server.name, 5), timeout=40)
    process.run(docker_cli.remove(server.name), timeout=30)
    console.say(f"the server at {server.url} is stopped")
