"""F5 in a container of Apptainer's stand-in: see apptainer_stand_in.py."""

from __future__ import annotations

import re
import socket

import pytest

from tests.apptainer.conftest import Machine
from tests.editor.dap import Connected

pytestmark = [pytest.mark.docker, pytest.mark.mounts]

TRAIN = """x = 41
y = x + 1
print(y)
"""


def test_debugger_stops_in_the_container_and_the_program_goes_on(machine: Machine) -> None:
    folder = machine.workspace.add("debugged", TRAIN)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    started = machine.start(
        "run", "debugged", "--backend", "apptainer", "--debug", "--port", str(port)
    )
    try:
        started.wait_for(f"ready for the debugger at 127.0.0.1:{port}", 240)
        session = Connected({"connect": {"host": "127.0.0.1", "port": port}}, 120)
        there = "/workspaces/work space/src/debugged"
        mapping = {"localRoot": str(folder), "remoteRoot": there}
        configuration = {"request": "attach", "pathMappings": [mapping]}
        session.begin(configuration, {folder / "train.py": [2]})
        thread = session.stopped()
        assert session.evaluate("x", thread) == "41"
        session.ask("continue", threadId=thread)
        answer = started.end(120)
        assert (answer.code, answer.out) == (0, "42\n"), answer.err
    finally:
        if started.child.poll() is None:
            started.interrupt_group()
            started.end(120)
    assert not re.search(r"INNERLOOP_\w*SECRET\w*=\w", str(machine.calls("exec")))
