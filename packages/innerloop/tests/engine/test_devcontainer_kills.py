"""`loop up` killed at any moment: the next one is clean, and there is one container."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.engine import dev
from tests.support import TINY, Started, Workspace, docker, until

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]

BUILDS = TINY + "RUN echo in the build && sleep 2\n"
# The second time it goes on: what the first one was about to do is not waited for.
CREATES = "echo in the command; test -e src/killed || sleep 60"


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    workspace.add("tiny", "print('hello')")
    assert workspace.loop("sync").code == 0
    yield workspace
    dev.clean(workspace)


def has_state(workspace: Workspace, *states: str) -> Callable[[], bool]:
    return lambda: any(one["State"]["Status"] in states for one in dev.containers(workspace))


def kill(started: Started, workspace: Workspace, alone: bool) -> None:
    """-9, to `loop` alone or to all that it started on this machine."""
    if alone:
        os.kill(started.child.pid, signal.SIGKILL)
    else:
        os.killpg(started.child.pid, signal.SIGKILL)
    started.child.wait()
    workspace.write("src/killed", "")


def noted(workspace: Workspace) -> bool:
    return (workspace.root / ".innerloop/containers/tiny.json").exists()


MOMENTS = ["build", "override", "created", "command", "end"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_with_all_it_started(opened: Workspace, moment: str) -> None:
    if moment == "build":
        opened.write("src/tiny/environment/Dockerfile", BUILDS)
    if moment == "command":
        path = ".devcontainer/tiny/devcontainer.json"
        value = {**json.loads(opened.read(path)), "postCreateCommand": CREATES}
        opened.write(path, json.dumps(value))
    started = opened.start("up", "tiny")
    if moment == "build":
        started.wait_for("in the build")
    elif moment == "override":
        assert until((opened.root / ".innerloop/up/tiny.json").exists, 60)
    elif moment == "created":
        assert until(has_state(opened, "created", "running"), 60)
    elif moment == "command":
        started.wait_for("in the command")
    else:
        assert until(lambda: noted(opened), 60)
    kill(started, opened, alone=False)
    if moment == "build":
        opened.write("src/tiny/environment/Dockerfile", TINY)
    told = dev.up(opened)
    (made,) = dev.containers(opened)
    assert (made["Id"], made["State"]["Status"]) == (told["container"], "running")
    assert opened.loop("exec", "tiny", "--", "echo", "works").out == "works\n"
    assert not (opened.root / ".innerloop/up/tiny.json").exists()
    assert dev.up(opened)["how"] == "running"
    running = docker("top", told["container"], "-eo", "pid,args")
    assert "sleep" in running  # what keeps the container open
    assert "in the command" not in running


def test_killed_alone_its_cli_works_on_and_is_waited_for(opened: Workspace) -> None:
    """Two that set up one container at a time would be in each other's way."""
    path = ".devcontainer/tiny/devcontainer.json"
    command = "echo in the command; sleep 2; echo x >> src/count"
    opened.write(path, json.dumps({**json.loads(opened.read(path)), "postCreateCommand": command}))
    started = opened.start("up", "tiny")
    started.wait_for("in the command")
    kill(started, opened, alone=True)
    answer = opened.loop("up", "tiny")
    assert answer.code == 0, answer.err
    assert "waiting for another `loop up tiny`" in answer.err
    assert len(dev.containers(opened)) == 1
    assert set(opened.read("src/count").split()) == {"x"}


def test_control_c_leaves_no_container_behind(opened: Workspace) -> None:
    path = ".devcontainer/tiny/devcontainer.json"
    value = {**json.loads(opened.read(path)), "postCreateCommand": CREATES}
    opened.write(path, json.dumps(value))
    started = opened.start("up", "tiny")
    started.wait_for("in the command")
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert dev.containers(opened) == []


def test_two_ups_of_one_experiment_make_one_container(opened: Workspace) -> None:
    both = [opened.start("up", "tiny", "--json") for _ in range(2)]
    told = [json.loads(one.end(120).out) for one in both]
    assert {one["how"] for one in told} == {"created", "running"}
    assert len({one["container"] for one in told}) == 1
    assert len(dev.containers(opened)) == 1
