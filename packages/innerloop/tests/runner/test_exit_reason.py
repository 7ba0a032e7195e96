"""The reason that is said with an exit code: bash runs each command, and its end is explained."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from innerloop.docker import docker_cli
from innerloop.model.container import ContainerSpec, Mount
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.run import ProcessSpec, Request, Run
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.runner import exit_reason
from innerloop.runner.exit_reason import Ended
from innerloop.util import process
from innerloop.util.process import CompletedCommand

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash and POSIX signals")

JOB = "command: x\ncode: .\nresources: {shm_size: 1m}\n"


def run_of(root: Path) -> Run:
    return Run(
        workspace=Workspace(str(root), Settings(), ("tiny",)),
        experiment=Experiment("tiny", parse("FROM a\n", "Dockerfile"), Settings()),
        job=parse_job(JOB, "src/tiny/azure-ml-job.yaml"),
        id="1",
        data={},
        code=str(root / "src/tiny"),
    )


def ended_of(root: Path, command: str) -> Ended:
    """The command, run in the code by bash as in the backend venv."""
    code = root / "src/tiny"
    path = f"{root / 'env/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=code,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    number = 128 - done.returncode if done.returncode < 0 else done.returncode
    request = Request(
        "tiny", "venv", command, "", "", ProcessSpec(cwd=str(code), env={"PATH": path})
    )
    return Ended(run_of(root), request, number, done.stdout)


def in_container(root: Path, code: int, output: str, command: str = "x") -> Ended:
    mounts = (Mount(str(root / "src/tiny"), "/workspaces/w/src/tiny"),)
    container = ContainerSpec(
        "image", name="run-1", workdir="/workspaces/w/src/tiny", mounts=mounts
    )
    request = Request("tiny", "docker", command, "", "", container=container)
    return Ended(run_of(root), request, code, output)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "src/tiny/sub").mkdir(parents=True)
    (tmp_path / "env/bin").mkdir(parents=True)
    program = tmp_path / "env/bin/pip-of-env"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "mode", "command", "code", "expected"),
    [
        ("#!/bin/sh\nexit 0\n", 0o644, "./run.sh", 126, "run.sh is not executable"),
        ("#!/bin/sh\r\nexit 0\r\n", 0o755, "./run.sh", 127, "CRLF"),
        ("#!/usr/bin/env bash\r\nexit 0\r\n", 0o755, "./run.sh", 127, "CRLF"),
        ("true\r\nexit 3\r\n", 0o644, "bash run.sh", None, "CRLF"),
        ("#!/no/such/interp\n", 0o755, "./run.sh", 127, "needs /no/such/interp"),
        ("#!/usr/bin/env no-such\n", 0o755, "./run.sh", 127, "no-such is not on PATH"),
        ("", 0o755, "F=./other.sh; $F", 127, "there is no ./other.sh in the code"),
        ("", 0o755, "no-such-program --x", 127, "no-such-program is not on PATH"),
        ("", 0o755, "./sub", 126, "./sub is a folder"),
        ("\x7fELF nothing", 0o755, "./run.sh", 126, "not a program of this system"),
        ("", 0o755, "PATH=/bin:/usr/bin; pip-of-env", 127, "PATH of the shell that ran"),
        ("", 0o755, "exit 127", 127, ""),
        ("", 0o755, "exit 126", 126, ""),
        ("", 0o755, "echo done; exit 125", 125, ""),
        ("", 0o755, "kill -ILL $$", 132, "SIGILL"),
        ("", 0o755, "kill -ABRT $$", 134, "SIGABRT"),
        ("", 0o755, "kill -SEGV $$", 139, "SIGSEGV"),
        ("", 0o755, "kill -TERM $$", 143, "SIGTERM"),
        ("", 0o755, "kill -KILL $$", 137, "SIGKILL"),
        ("", 0o755, "timeout 0.1 sleep 5", 124, "`timeout` ran out"),
    ],
)
def test_reason_is_what_can_be_seen(
    tiny: Path, text: str, mode: int, command: str, code: int | None, expected: str
) -> None:
    script = tiny / "src/tiny/run.sh"
    script.write_bytes(text.encode())
    script.chmod(mode)
    ended = ended_of(tiny, command)
    assert ended.code == code if code is not None else ended.code != 0
    reason = exit_reason.of(ended)
    assert expected in reason if expected else reason == ""


@pytest.mark.parametrize(
    ("command", "hides"),
    [
        ("python -c 1/0 2>&1 | tee log.txt", True),
        ("no-such-program 2>&1 | cat", True),
        ("set -o pipefail; true | cat", False),
        ("python -c 1/0 || echo 'a | b'", False),
        ("python -c 'print(1)' | cat", False),
    ],
)
def test_failure_before_a_pipe_is_said(tiny: Path, command: str, hides: bool) -> None:
    ended = ended_of(tiny, command)
    assert (ended.code, "pipefail" in exit_reason.of_success(ended)) == (0, hides)


def answer_of_engine(monkeypatch: pytest.MonkeyPatch, out: str) -> list[Sequence[str]]:
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str], **_: object) -> CompletedCommand:
        asked.append(argv)
        return CompletedCommand(0, out or "\n", "")

    monkeypatch.setattr(process, "run", run)
    return asked


@pytest.mark.parametrize(
    ("code", "output", "engine", "expected"),
    [
        (125, "docker: Error response from daemon: no space\n", "", "the engine did not start"),
        (125, "some text\n", "", ""),
        (127, "bash: line 1: mpi: command not found\n", "", "mpi is not in the image"),
        (127, "bash: line 1: python: command not found\n", "/opt/bin/python\n", "login shell"),
        (127, "sh: 1: mpi: not found\n", "", "mpi is not in the image"),
        (126, "bash: line 1: ./run.sh: Permission denied\n", "", "run.sh is not executable"),
        (127, "bash: line 1: ./no.sh: No such file or directory\n", "", "there is no ./no.sh"),
        (
            127,
            "bash: line 1: /opt/x: No such file or directory\n",
            "",
            "/opt/x is not in the image",
        ),
        (135, "", "", "resources.shm_size"),
        (
            1,
            "RuntimeError: worker (pid 7) is killed by signal: Bus error. \n",
            "",
            "/dev/shm has 1m",
        ),
        (1, "OSError: [Errno 28] No space left on device: '/dev/shm/x'\n", "", "/dev/shm has 1m"),
        (137, "", "oom\n", "its container ran out of memory"),
        (137, "", "start\ndie\n", "not by a limit of its container"),
        (137, "", "", "its container's memory limit or this machine"),
        (
            1,
            "DataLoader worker (pid 7) is killed by signal: Killed.\n",
            "oom\n",
            "ran out of memory",
        ),
        (1, "ValueError: no\n", "oom\n", ""),
        (130, "", "", "Ctrl-C"),
        (160, "", "", "signal 32"),
        (255, "", "", ""),
    ],
)
def test_reason_in_a_container_is_what_the_engine_says(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, code: int, output: str, engine: str, expected: str
) -> None:
    (tiny / "src/tiny/run.sh").write_text("#!/bin/sh\n")
    answer_of_engine(monkeypatch, engine)
    reason = exit_reason.of(in_container(tiny, code, output))
    assert expected in reason if expected else reason == ""


def test_reason_of_a_program_is_looked_up_in_the_image(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_of_engine(monkeypatch, "")
    exit_reason.of(in_container(tiny, 127, "bash: line 1: mpi: command not found\n"))
    assert [argv[:2] for argv in asked] == [["docker", "run"]] and asked[0][-1] == "mpi"
    before = time.time()
    exit_reason.of(in_container(tiny, 137, ""))
    until = float(asked[-1][asked[-1].index("--until") + 1])
    assert asked[-1] == docker_cli.events_of("run-1", until)
    assert until > before  # a moment still to come when it is asked


@pytest.mark.parametrize(
    ("command", "killer"),
    [
        ("timeout -s KILL 1 sleep 5", "the command's own `timeout`"),
        ("timeout --signal=9 1 sleep 5", "the command's own `timeout`"),
        ("timeout -k 5 1h python train.py", "the command's own `timeout`"),
        ("timeout 1h python train.py", "a program"),
        ("timeout 1h python train.py -k 3", "a program"),
    ],
)
def test_reason_of_a_kill_names_who_may_have_done_it(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, command: str, killer: str
) -> None:
    answer_of_engine(monkeypatch, "start\ndie\n")
    reason = exit_reason.of(in_container(tiny, 137, "", command))
    assert f"by {killer} or this machine" in reason
