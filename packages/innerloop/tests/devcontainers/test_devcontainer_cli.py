"""The devcontainer CLI's outcome and its lines, as it prints them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerloop.devcontainers import devcontainer_cli
from innerloop.devcontainers.devcontainer_cli import CliOutcome, follow, outcome_of
from innerloop.util import process
from innerloop.util.errors import UserError


def line(**event: object) -> str:
    return json.dumps(event)


def run(
    tmp_path: Path, *lines: str, code: int = 0, log: bool = False
) -> tuple[CliOutcome, list[str]]:
    said: list[str] = []
    text = tmp_path / "lines"
    text.write_text("".join(f"{one}\n" for one in lines))
    argv = ["sh", "-c", f"cat '{text}'; exit {code}"]
    return follow(argv, said.append, log=log, hand_over=(), cwd=tmp_path), said


SUCCESS = line(outcome="success", containerId="c1", remoteUser="dev", remoteWorkspaceFolder="/w")
FAILED = line(
    outcome="error",
    message="Command failed: /bin/sh -c make",
    description="postCreateCommand from devcontainer.json failed.",
    containerId="c1",
)


def test_the_outcome_alone_decides(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, line(type="raw", text='{"outcome":"error"}'), SUCCESS)
    assert outcome == CliOutcome(True, "c1", "dev", "/w", tail=('{"outcome":"error"}',))
    assert not run(tmp_path, SUCCESS, code=1)[0].ok


def test_what_a_persons_command_prints_is_said_as_it_comes(tmp_path: Path) -> None:
    events = [
        line(type="start", level=2, text="Run: docker ps"),
        line(type="start", level=2, text="Starting container"),
        line(type="raw", level=3, text="Container started\n"),
        line(type="text", level=1, text="LifecycleCommandExecutionMap: {}"),
        line(
            type="raw",
            text="\x1b[1mRunning innerloop of onCreateCommand from devcontainer.json...\x1b[0m\r\n\r\n",
        ),
        line(
            type="raw",
            text="\x1b[1mRunning the postCreateCommand from devcontainer.json...\x1b[0m\r\n",
        ),
        line(type="raw", text="one\r\ntwo\r\n"),
        SUCCESS,
    ]
    assert run(tmp_path, *events)[1] == [
        "starting the container",
        "Running the postCreateCommand from devcontainer.json...",
        "one",
        "two",
    ]
    assert "Run: docker ps" in run(tmp_path, *events, log=True)[1]


def test_a_command_that_failed_is_shown_with_its_words(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, line(type="raw", text="no rule to make\n"), FAILED, code=1)
    assert outcome.failure().startswith(
        "postCreateCommand from devcontainer.json failed:\n    no rule to make"
    )
    assert "loop up line" in outcome.hint("line")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("docker: Error response from daemon: could not select device driver", 'gpu = "auto"'),
        ("Error: write /x: no space left on device", "The disk is full"),
        ("Error response from daemon: port is already allocated", "Another program uses the port"),
        ("Cannot connect to the Docker daemon: error", "start it and run the command again"),
        ("Error: something else", "--log"),
    ],
)
def test_what_can_be_known_is_said(words: str, hint: str) -> None:
    outcome = outcome_of({"outcome": "error", "message": "Command failed: docker run"}, [words], 1)
    assert words.split("rror")[-1][:20] in outcome.failure()
    assert hint in outcome.hint("line")


def test_a_cli_that_does_not_start_is_a_failure_with_its_words(tmp_path: Path) -> None:
    words = "devcontainer: /usr/bin/env: node: not found"
    outcome, _ = run(tmp_path, words, "    at Module._load (node:internal)", code=127)
    assert not outcome.ok
    assert words in outcome.failure()
    assert "exit code 3" in run(tmp_path, code=3)[0].failure()


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"devcontainer": "/bin/devcontainer", "npx": "/bin/npx"}
    monkeypatch.setattr(process, "which", there.get)
    assert devcontainer_cli.program() == ["/bin/devcontainer"]
    del there["devcontainer"]
    assert devcontainer_cli.program() == ["/bin/npx", "--yes", "@devcontainers/cli@0.89.0"]
    del there["npx"]
    with pytest.raises(UserError, match="npm install -g @devcontainers/cli"):
        devcontainer_cli.program()


@pytest.mark.parametrize(
    ("message", "is_build"),
    [
        ("Command failed: docker build -f /tmp/Dockerfile", True),
        ("Command failed: /usr/bin/podman buildx build --load", True),
        ("Command failed: docker run -a STDOUT build", False),
        ("Command failed: /bin/sh -c docker build", False),
    ],
)
def test_build_failed_is_known_by_the_program_that_failed(message: str, is_build: bool) -> None:
    assert CliOutcome(False, message=message).build_failed == is_build
    assert not CliOutcome(True, message=message).build_failed
