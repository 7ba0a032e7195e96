"""F5 in a container of Apptainer's stand-in: see apptainer_stand_in.py."""

from __future__ import annotations

import re
import socket

import pytest

from tests.apptainer.conftest import Machine
from tests.editor.dap import Connected, Json

pytestmark = [pytest.mark.docker, pytest.mark.mounts]

TRAIN = """x = 41
y = x + 1
print(y)
"""


def test_debugger_in_the_container_lets_the_program_go_on_once_attached(machine: Machine) -> None:
    machine.workspace.add("debugged", TRAIN)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    started = machine.start(
        "run", "debugged", "--backend", "apptainer", "--debug", "--port", str(port)
    )
    sessions: list[Connected] = []

    def attach(configuration: Json) -> Connected:
        sessions.append(Connected(configuration, 120))
        sessions[-1].begin(configuration, {})
        return sessions[-1]

    try:
        started.wait_for(f"ready for the debugger at 127.0.0.1:{port}", 240)
        # The program waits for the first, its Python process for one of its own.
        first = attach({"request": "attach", "connect": {"host": "127.0.0.1", "port": port}})
        asked = first.processes.get(timeout=120)
        attach({**asked["configuration"], "request": asked["request"]})
        answer = started.end(120)
        assert (answer.code, answer.out) == (0, "42\n"), answer.err
    finally:
        for session in sessions:
            session.close()
        if started.child.poll() is None:
            started.interrupt_group()
            started.end(120)
    assert not re.search(r"INNERLOOP_\w*SECRET\w*=\w", str(machine.calls("exec")))
