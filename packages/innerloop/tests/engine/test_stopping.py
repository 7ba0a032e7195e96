"""Ctrl-C, a closed terminal, a cancelled step: the container is gone and the exit code says why."""

from __future__ import annotations

import signal

import pytest

from tests.support import Started, Workspace, until

pytestmark = pytest.mark.docker

WAITS = """
import time
print("at work", flush=True)
time.sleep(120)
"""

# As training that saves a checkpoint when it is asked to stop.
SAVES = """
import time
print("at work", flush=True)
try:
    time.sleep(120)
except KeyboardInterrupt:
    open("outputs/checkpoint", "w").write("saved")
    print("saved", flush=True)
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("at work", flush=True)
time.sleep(120)
"""


def at_work(workspace: Workspace, train: str) -> Started:
    workspace.add("tiny", train)
    started = workspace.start("run", "tiny", "--backend", "docker")
    started.wait_for("at work")
    assert len(workspace.containers()) == 1
    return started


def test_control_c_in_a_terminal(workspace: Workspace) -> None:
    started = at_work(workspace, WAITS)
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert "stopped" in answer.err
    assert workspace.containers() == []


def test_an_interrupt_of_loop_alone(workspace: Workspace) -> None:
    started = at_work(workspace, WAITS)
    started.send(signal.SIGINT)
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert workspace.containers() == []


def test_the_program_is_asked_first_and_can_save(workspace: Workspace) -> None:
    started = at_work(workspace, SAVES)
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert "saved" in answer.out
    assert (workspace.outputs("tiny") / "checkpoint").read_text() == "saved"
    assert workspace.containers() == []


def test_twice_does_not_wait_for_a_stubborn_program(workspace: Workspace) -> None:
    started = at_work(workspace, STUBBORN)
    started.interrupt_group()
    assert not until(lambda: started.child.poll() is not None, 1.5)
    started.interrupt_group()
    answer = started.end(15)
    assert answer.code == 130, answer.err
    assert workspace.containers() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_being_ended_takes_the_container_along(
    workspace: Workspace, number: int, code: int
) -> None:
    started = at_work(workspace, WAITS)
    started.send(number)
    answer = started.end(30)
    assert answer.code == code, answer.err
    assert workspace.containers() == []


def test_control_c_during_the_build(workspace: Workspace) -> None:
    slow = "FROM python:3.11-slim-bookworm\nRUN echo in the build && sleep 60\n"
    workspace.add("tiny", "print('never')", dockerfile=slow)
    started = workspace.start("run", "tiny", "--backend", "docker")
    started.wait_for("in the build")
    started.interrupt_group()
    answer = started.end(20)
    assert answer.code == 130, answer.err
    assert (workspace.images(), workspace.containers()) == ([], [])
    workspace.write("src/tiny/environment/Dockerfile", "FROM python:3.11-slim-bookworm\n")
    assert workspace.loop("run", "tiny", "--backend", "docker").code == 0
