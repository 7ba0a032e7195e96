"""The servers of an experiment that run on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..docker import docker_cli, engine
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError


@dataclass(frozen=True, slots=True)
class Running:
    """`name` of its container, `port` of this machine, `path` of its predictions."""

    name: str
    port: int
    path: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


def running(workspace: Workspace, experiment: Experiment) -> list[Running]:
    """The newest first; a `Mistake` where no engine answers."""
    if process.which("docker") is None:
        engine.require(engine.ask("innerloop"))
    done = process.run(docker_cli.servers_of(workspace.identity, experiment.name), timeout=30)
    if not done.ok:
        engine.require(engine.ask("innerloop"))
    lines = [line.split("\t") for line in done.out.splitlines()]
    return [Running(name, int(port), path) for name, port, path in lines if port.isdigit()]


def newest(workspace: Workspace, experiment: Experiment) -> Running:
    found = running(workspace, experiment)
    if not found:
        raise UserError(
            f"nothing serves {experiment.name} here",
            hint=f"`scripts/loop serve {experiment.name}` does, in another terminal; "
            "--endpoint asks the deployed one",
        )
    return found[0]


def stop_all(workspace: Workspace, experiment: Experiment) -> int:
    found = running(workspace, experiment)
    for one in found:
        process.run(docker_cli.stop(one.name, 5), timeout=40)
        process.run(docker_cli.remove(one.name), timeout=30)
        console.say(f"{one.url} is no longer served")
    if not found:
        console.say(f"nothing serves {experiment.name} here")
    return 0
