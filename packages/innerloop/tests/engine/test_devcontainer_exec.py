"""`loop exec`: the user, folder and variables of a terminal in VS Code; exit codes; Ctrl-C."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.engine import dev
from tests.support import TINY, Workspace, docker, make_workspace, until

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]

PROFILE = (
    "RUN useradd --create-home --uid 1000 --shell /bin/bash dev\n"
    "RUN echo 'export FROM_PROFILE=yes; PATH=/from/profile:$PATH' >> /home/dev/.profile\n"
    "ENV PATH=/opt/conda/bin:$PATH\nUSER dev\n"
)


def prepare(workspace: Workspace) -> None:
    workspace.add("tiny", "print('hello')", dockerfile=TINY + PROFILE)
    assert workspace.loop("sync").code == 0
    path = ".devcontainer/tiny/devcontainer.json"
    remote = {"FROM_HOST": "${localEnv:HOSTS_OWN:none}", "MORE": "${containerEnv:PATH}:/more"}
    workspace.write(path, json.dumps({**json.loads(workspace.read(path)), "remoteEnv": remote}))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Iterator[Workspace]:
    """With one container for all tests, which change nothing in it."""
    folder = tmp_path_factory.mktemp("exec")
    workspace = make_workspace(folder / "Mein Schreibtisch é" / "work space")
    prepare(workspace)
    dev.up(workspace)
    yield workspace
    dev.clean(workspace)


@pytest.fixture
def closed(workspace: Workspace) -> Iterator[Workspace]:
    prepare(workspace)
    yield workspace
    dev.clean(workspace)


SHOW = (
    "import json, os; print(json.dumps({k: os.environ.get(k) for k in "
    "('FROM_PROFILE', 'FROM_HOST', 'MORE', 'PATH', 'HOME')} | {'cwd': os.getcwd()}))"
)


def test_it_sees_what_the_devcontainer_cli_would_show(opened: Workspace) -> None:
    told = replace(opened, env={"HOSTS_OWN": "a b"})
    ours = told.loop("exec", "tiny", "--", "python3", "-c", SHOW)
    theirs = dev.bare(told, "exec", "python3", "-c", SHOW)
    seen, shown = json.loads(ours.out), json.loads(theirs.out)
    assert seen.pop("cwd") == f"{shown.pop('cwd')}/src/tiny"  # where the job's command starts
    assert seen == shown
    assert seen["FROM_PROFILE"] == "yes" and "/opt/conda/bin" in seen["PATH"]


@pytest.mark.parametrize("code", [0, 1, 7, 130])
def test_exit_codes_pass_through(opened: Workspace, code: int) -> None:
    assert opened.loop("exec", "tiny", "--", "sh", "-c", f"exit {code}").code == code


def test_exit_code_passes_through_where_the_cli_opened_it(closed: Workspace) -> None:
    assert dev.bare(closed, "up").code == 0
    assert closed.loop("exec", "tiny", "--", "sh", "-c", "exit 7").code == 7


def test_words_stdin_and_folder(opened: Workspace) -> None:
    words = ["a b", "$HOME", "'", '"', "ü", ""]
    told = opened.loop(
        "exec", "tiny", "--", "python3", "-c", "import sys; print(sys.argv[1:])", *words
    )
    assert told.out == f"{words}\n"
    piped = subprocess.run(
        [str(opened.root / "scripts/loop"), "exec", "tiny", "--", "cat"],
        cwd=opened.root,
        input=b"\x00binary\xff" * 1000,
        capture_output=True,
        check=True,
    )
    assert piped.stdout == b"\x00binary\xff" * 1000
    here = opened.loop("exec", "--", "pwd", cwd=opened.root / "src/tiny/environment")
    assert here.out == "/workspaces/work space/src/tiny/environment\n"
    assert opened.loop("exec", "tiny", "--", "pwd").out == "/workspaces/work space/src/tiny\n"
    assert opened.loop("exec", "tiny", "--workdir", "/tmp", "--", "pwd").out == "/tmp\n"
    assert opened.loop("exec", "tiny", "--user", "root", "--", "id", "-u").out == "0\n"
    missing = opened.loop("exec", "tiny", "--", "no-such-program")
    assert missing.code in (126, 127)
    assert opened.loop("exec", "tiny").code == 2


def test_control_c_ends_what_runs_in_there(opened: Workspace) -> None:
    """`docker exec` ends on Ctrl-C and leaves the program in the container at work."""
    (container,) = dev.containers(opened)
    there = container["Id"]
    script = "import time; print('at work', flush=True); time.sleep(300)"
    started = opened.start("exec", "tiny", "--", "python3", "-c", script)
    started.wait_for("at work")
    assert "time.sleep" in docker("top", there, "-eo", "pid,args")
    started.interrupt_group()
    assert started.end(30).code == 130
    assert until(lambda: "time.sleep" not in docker("top", there, "-eo", "pid,args"), 10)


def test_one_that_is_not_there_says_how_to_open_it(closed: Workspace) -> None:
    answer = closed.loop("exec", "tiny", "--", "true")
    assert answer.code == 1
    assert "scripts/loop up tiny" in answer.message


def test_inside_the_container_it_runs_right_here(closed: Workspace) -> None:
    answer = closed.loop(
        "exec", "tiny", "--", sys.executable, "-c", "print(1)", env={"INNERLOOP_EXPERIMENT": "tiny"}
    )
    assert (answer.code, answer.out) == (0, "1\n"), answer.err
    refused = closed.loop("up", "tiny", env={"INNERLOOP_EXPERIMENT": "tiny"})
    assert refused.code == 1 and "[in-dev-container]" in refused.message


def test_a_terminal_is_a_terminal_in_there(opened: Workspace) -> None:
    """Its kind, and Ctrl-C, which goes through it.

    A shell that is hit between a fork and its exec waits for that child first, so the children are
    short.
    """
    ours, theirs = pty.openpty()
    script = "test -t 0 && test -t 1 && echo is $TERM; while :; do sleep 0.1; done"
    child = subprocess.Popen(
        [str(opened.root / "scripts/loop"), "exec", "tiny", "--", "sh", "-c", script],
        cwd=opened.root,
        env={**os.environ, **opened.env, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while b"is xterm-256color" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"\x03")
        assert until(lambda: child.poll() is not None, 20)
    finally:
        child.kill()
        os.close(ours)
    assert child.wait() == 130
