"""What an engine says of itself, and what one that does not answer is called."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from innerloop.docker import client, engine


def fake_docker(folder: Path, script: str) -> None:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "its engine is not running"),
        (
            "echo 'permission denied while trying to connect' >&2; exit 1",
            "has no access to its engine",
        ),
        ('echo \'{"Runtimes":null,"ServerVersion":"","ServerErrors":["no"]}\'', "is not running"),
        ("exit 0", "is not running"),
    ],
)
def test_an_engine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    fake_docker(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    facts = engine.ask("image")
    assert not facts.answers
    assert why in facts.why
    assert facts.hint


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")
@pytest.mark.parametrize(
    ("out", "err"),
    [
        # Debian's docker.io 20.10, and Docker's own 28.
        ("", 'template: :1:14: executing "" at <.Runtimes>: nil pointer'),
        ('{"Runtimes":null,"ServerVersion":"","ServerErrors":["denied"]}', "permission denied"),
    ],
)
@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Got permission denied while trying to connect to the daemon socket", "group docker"),
        (
            "Cannot connect to the Docker daemon at tcp://x:1. Is the docker daemon running?",
            "DOCKER_HOST names (tcp://x:1), or unset that variable (docker: Cannot connect to",
        ),
    ],
)
def test_why_an_engine_is_silent_is_what_a_client_of_any_age_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, err: str, reason: str, message: str
) -> None:
    """The reason for a silent engine does not depend on the age of the client.

    `docker info --format` of a silent engine prints an empty form, and an older client an error
    about that form; neither is a reason to show to a person.
    """
    silent = f"case $1 in image) echo '{reason}' >&2;; *) echo '{out}'; echo '{err}' >&2;; esac"
    fake_docker(tmp_path, f"{silent}; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "tcp://x:1")
    facts = engine.ask("image")
    assert not facts.answers
    assert message in facts.hint
    assert "{" not in facts.hint and "template" not in facts.hint


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")
@pytest.mark.parametrize(
    ("security", "system", "rootless", "maps"),
    [
        ("name=seccomp", "Debian", False, False),
        ("name=rootless", "Debian", True, True),
        ("name=seccomp", "Docker Desktop", False, True),
    ],
)
def test_who_owns_what_a_container_writes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    security: str,
    system: str,
    rootless: bool,
    maps: bool,
) -> None:
    facts = (
        f'{{"Runtimes":{{"nvidia":{{}}}},"SecurityOptions":["{security}"],'
        f'"OperatingSystem":"{system}","ServerVersion":"28"}}'
    )
    fake_docker(tmp_path, f"case $1 in image) echo 'sha256:1 abc';; *) echo '{facts}';; esac")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    found = engine.ask("image")
    assert found.answers
    assert (found.image_id, found.label) == ("sha256:1", "abc")
    assert found.facts.runtimes == ("nvidia",)
    assert (found.facts.rootless, found.maps_owners) == (rootless, maps)


@pytest.mark.docker
@pytest.mark.parametrize("image", ["python:3.11-slim-bookworm", "there-is-no/such:image"])
def test_the_short_way_to_the_engine_says_what_the_client_says(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = engine.ask(image)
    monkeypatch.setattr(client, "socket_path", lambda: None)
    slow = engine.ask(image)
    assert (quick.answers, quick.label, quick.facts.rootless) == (
        slow.answers,
        slow.label,
        slow.facts.rootless,
    )
    assert quick.image_id == slow.image_id


def test_for_an_image_that_is_not_there_no_client_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`loop outdated` asks for two of each experiment when a folder is opened."""
    monkeypatch.setattr(engine, "api", lambda method, path: (404, {"message": "No such image"}))
    monkeypatch.setattr("innerloop.util.process.run", lambda argv: pytest.fail(f"started {argv}"))
    assert engine.labels_of("there-is-no/such:image") == {}
