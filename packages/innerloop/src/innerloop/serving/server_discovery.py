"""The servers of an experiment that run on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..docker import docker_cli, engine
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError


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
    """The newest first. UserError when no Docker engine answers."""
    if process.which("docker") is None:
        engine.require(engine.ask("innerloop"))
    done = process.run(docker_cli.servers_of(workspace.identity, experiment.name), timeout=30)
    if not done.ok:
        engine.require(engine.ask("innerloop"))
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


def stop_all(workspace: Workspace, experiment: Experiment) -> int:
    """Stop the experiment's servers on this machine. Returns the exit code 0, also if none runs."""
    servers = running(workspace, experiment)
    for server in servers:
        process.run(docker_cli.stop(server.name, 5), timeout=40)
        process.run(docker_cli.remove(server.name), timeout=30)
        console.say(f"the server at {server.url} is stopped")
    if not servers:
        console.say(f"no server of {experiment.name} runs here")
    return 0
