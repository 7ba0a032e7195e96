"""The ports of a container on this machine, for this user and no other container.

What listens in a container (a model server, a job's service) seldom asks for a password, and a port
that the engine publishes at 127.0.0.1 is open to every user of the machine. So a gate of the tool
answers there (`util/gate`), and a Python of the container carries its connections to the port. The
container is in a network where no other container reaches it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.container import APART, ContainerSpec
from ..util import console, process
from . import client, docker_cli

if TYPE_CHECKING:
    from ..model.run import Request

RELAY = Path(__file__).resolve().parent.parent / "in_env_scripts" / "debugger" / "relay.py"


@contextmanager
def opened(request: Request) -> Iterator[Request]:
    """Within, the ports of the request's container that have a gate answer to this user.

    Yields the request to start: where there can be no gate, with the ports published instead, after a
    message that says so.
    """
    request = with_network(request)
    container = request.container
    ports = [port for port in container.ports if port.gated] if container is not None else []
    if container is None or not ports:
        yield request
        return
    if container.network == "host":  # the program listens on this machine itself
        for port in ports:
            console.say(
                f"port {port.container} is open to every user of this machine: network host"
            )
        yield request
        return
    python, reason = _python_of(container)
    if not python:
        for port in ports:
            console.say(f"port {port.host} is open to every user of this machine: {reason}")
        open_ports = tuple(replace(port, gated=False) for port in container.ports)
        yield replace(request, container=replace(container, ports=open_ports))
        return
    from ..util import gate  # here: few runs publish a port

    with ExitStack() as gates:
        for port in ports:
            relay = gate.RelayCommand(_relay_argv(container, python, port.container), {})
            what = f"port {port.container} of {container.name}"
            gates.enter_context(gate.opened(port.host, relay, what, console.say))
        yield request


def with_network(request: Request) -> Request:
    """The request, after the network of its container is there.

    Without it where the engine has no such networks: with Podman without root's rights, for example,
    each container has a network of its own anyway.
    """
    container = request.container
    if container is None or not container.is_apart:
        return request
    if process.run(docker_cli.network_exists(APART), timeout=30).ok:
        return request
    made = process.run(docker_cli.create_network_apart(APART), timeout=60)
    if made.ok or process.run(docker_cli.network_exists(APART), timeout=30).ok:
        return request  # another run was first
    last = made.err.strip().splitlines()[-1:] or ["no answer"]
    console.say(f"other containers may reach this one's ports: no network {APART} ({last[0]})")
    return replace(request, container=replace(container, apart=False))


def user_of(port: int) -> tuple[str, str]:
    """Name and workspace of the container that has a port of this machine; "" for unknown ones."""
    if not client.is_installed():
        return "", ""
    for done in process.run_together(*docker_cli.users_of(port), timeout=10):
        name, _, workspace = done.out.strip().partition("\t") if done.ok else ("", "", "")
        if name:
            return name, workspace
    return "", ""


def _python_of(container: ContainerSpec) -> tuple[str, str]:
    """The path of a Python in the image, or why its ports can have no gate."""
    from ..util import gate, peers

    if os.environ.get(gate.OPEN_PORTS) == "1":
        return "", f"{gate.OPEN_PORTS} is set"
    if reason := peers.why_unknown():
        return "", reason
    done = process.run(docker_cli.python_of(container.image), timeout=60)
    path = done.out.strip()
    return (path, "") if done.ok and path else ("", f"{container.image} has no Python")


def _relay_argv(container: ContainerSpec, python: str, port: int) -> Sequence[str]:
    command = [python, "-I", "-c", RELAY.read_text(encoding="utf-8"), str(port)]
    return docker_cli.exec_in(container.name, command, interactive=True)
