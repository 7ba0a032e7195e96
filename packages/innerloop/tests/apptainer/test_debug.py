"""F5 in a container of Apptainer's stand-in: see apptainer_stand_in.py."""

from __future__ import annotations

import re
import socket

import pytest

from tests.apptainer.conftest import Machine
from tests.editor.dap import Session, attached, next_process

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
    sessions: list[Session] = []
    try:
        started.wait_for(f"ready for the debugger at 127.0.0.1:{port}", 240)
        # The program waits for the first, its Python process for one of its own.
        configuration = {"request": "attach", "connect": {"host": "127.0.0.1", "port": port}}
        sessions.append(attached(configuration, {}, 120))
        sessions.append(next_process(sessions[0], {}))
        answer = started.end(120)
        assert (answer.code, answer.out) == (0, "42\n"), answer.err
    finally:
        for session in sessions:
            session.close()
        if started.child.poll() is None:
            started.interrupt_group()
            started.end(120)
    assert not re.search(r"INNERLOOP_\w*SECRET\w*=\w", str(machine.calls("exec")))
