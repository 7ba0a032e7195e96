"""What has changed since an image or a container was made."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.docker import engine, image_bases, image_staleness
from innerloop.docker.image_staleness import (
    CONFIGURATION,
    FILES,
    configuration_label,
    files_label,
    files_of,
    of_labels,
    of_notes,
)
from innerloop.model.dockerfiles import dockerfile


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    (folder / "wheels").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM x\n")
    (folder / "wheels/a.whl").write_text("a")
    return folder


def test_each_file_is_named(environment: Path) -> None:
    labels = files_label(environment)
    assert of_labels(labels, environment, {}, "") == []
    (environment / "Dockerfile").write_text("FROM y\n")
    (environment / "new").write_text("")
    (environment / "wheels/a.whl").unlink()
    assert of_labels(labels, environment, {}, "") == [
        "environment/Dockerfile changed",
        "environment/new is new",
        "environment/wheels/a.whl was removed",
    ]


def test_line_ends_that_git_wrote_do_not_count(environment: Path) -> None:
    labels = files_label(environment)
    (environment / "Dockerfile").write_bytes(b"FROM x\r\n")
    assert of_labels(labels, environment, {}, "") == []


def test_what_is_executable_counts(environment: Path) -> None:
    before = files_of(environment)
    (environment / "Dockerfile").chmod(0o755)
    assert files_of(environment) != before


def test_very_many_files_are_no_label(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_staleness, "_MOST", 40)
    assert files_label(environment) == {}
    assert of_labels({}, environment, {}, "") == []


@pytest.mark.parametrize("text", ["", "{", "[]", "1"])
def test_a_label_that_cannot_be_read_says_nothing(environment: Path, text: str) -> None:
    assert of_labels({FILES: text, CONFIGURATION: text}, environment, {"a": 1}, "x") == []


def test_keys_of_the_configuration(environment: Path) -> None:
    before = {"name": "a", "runArgs": ["--init"], "mounts": [], "customizations": {"vscode": 1}}
    labels = {CONFIGURATION: configuration_label(before)}
    live = {**before, "name": "b", "customizations": {}, "forwardPorts": [1]}
    assert of_labels(labels, environment, live, "x.json") == []
    changed: dict[str, object] = {"runArgs": [], "containerEnv": {}, "mounts": []}
    assert of_labels(labels, environment, changed, "x.json") == [
        "x.json changed (containerEnv, runArgs)"
    ]


def test_the_order_of_keys_does_not_count() -> None:
    one, other = {"build": {"a": 1, "b": 2}}, {"build": {"b": 2, "a": 1}}
    assert configuration_label(one) == configuration_label(other)


def sums(environment: Path) -> str:
    """As `find . -type f -exec sha256sum {} +` prints it."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(environment)}\n"
        for path in environment.rglob("*")
        if path.is_file()
    )


def test_the_same_from_what_a_container_keeps(environment: Path) -> None:
    value = {"init": False, "name": "a"}
    kept = "// mine\n" + json.dumps(value)
    before = sums(environment)
    assert of_notes(before, kept, environment, value, "x.json") == []
    (environment / "Dockerfile").write_text("FROM y\n")
    assert of_notes(before, kept, environment, {"init": True}, "x.json") == [
        "environment/Dockerfile changed",
        "x.json changed (init)",
    ]


@pytest.mark.parametrize("kept", ["", "{", "[]"])
def test_a_container_that_kept_nothing_says_nothing(environment: Path, kept: str) -> None:
    assert of_notes("", kept, environment, {"init": True}, "x.json") == []


def test_changed_bases_of_another_machine_or_of_no_label_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "image_ids", lambda names: dict.fromkeys(names, "sha256:new"))
    monkeypatch.setattr(image_bases, "host_name", lambda: "here")

    def label(machine: str, id_: str) -> str:
        return json.dumps({"machine": machine, "images": {"base:1": id_}})

    changed = image_bases.changed_bases
    assert changed(label("here", "sha256:old")) == ["base:1"]
    assert changed(label("here", "sha256:new")) == []
    assert changed(label("there", "sha256:old")) == []
    for text in ("", "{", "[]", "null", '{"machine": "here", "images": 1}', '{"machine": "here"}'):
        assert changed(text) == []


def test_bases_label_names_every_image_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "image_ids", lambda names: dict.fromkeys(names, "id"))
    text = (
        "ARG V=1\nFROM a:$V AS base\nFROM unused AS no\nFROM scratch AS s\nFROM base\n"
        "COPY --from=tool:2 /x /x\nCOPY --from=s /y /y\nRUN --mount=type=bind,from=other,target=/z true\n"
    )
    (label,) = image_bases.bases_label(dockerfile.parse(text, "Dockerfile"), None).values()
    assert sorted(json.loads(label)["images"]) == ["a:1", "other", "tool:2"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_sha256sum_escapes_are_unchanged(environment: Path) -> None:
    lines = []
    for name in (b"caf\xe9", b"new\nline", b"back\\slash", b"tab\t"):
        path = os.path.join(os.fsencode(environment), name)
        with open(path, "wb") as file:
            file.write(b"1")
    for name in sorted(os.listdir(os.fsencode(environment))):
        if not os.path.isdir(os.path.join(os.fsencode(environment), name)):
            argv = [b"sha256sum", b"./" + name]
            done = subprocess.run(argv, cwd=environment, capture_output=True, check=True)
            lines.append(done.stdout.decode("utf-8", "replace"))
    checksum = hashlib.sha256(b"a").hexdigest()
    lines.append(f"{checksum}  ./wheels/a.whl\n")
    assert of_notes("".join(lines), None, environment, {}, "") == []
