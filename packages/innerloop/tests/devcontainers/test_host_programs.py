"""What a devcontainer.json needs on the host is looked for before anything is built or removed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from innerloop.devcontainers import host_programs
from innerloop.devcontainers.configuration import Configuration

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are shell scripts")

PATH = ".devcontainer/line/devcontainer.json"
PLUGIN = '#!/bin/sh\n[ "$1" = compose ] || [ "$1" = buildx ]\n'
NO_PLUGIN = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'Docker version 28.0.0, build x' || exit 1\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own PATH with a docker that has no plugin."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), "/bin", "/usr/bin"]))
    monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
    put(folder, "docker", NO_PLUGIN)
    return folder


def put(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def codes(root: Path, value: dict[str, Any], *, builds: bool = True) -> Sequence[str]:
    config = Configuration(PATH, value)
    return [error.code for error in host_programs.missing(root, config, builds=builds)]


COMPOSE = {"dockerComposeFile": "compose.yml", "service": "app"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / ".devcontainer/line").mkdir(parents=True)
    (folder / ".devcontainer/line/compose.yml").write_text("services: {}\n")
    return folder


def test_missing_compose_without_plugin_and_program_is_an_error(programs: Path, root: Path) -> None:
    (error,) = host_programs.missing(root, Configuration(PATH, COMPOSE), builds=False)
    assert (error.code, error.where) == ("compose-missing", PATH)
    assert "compose plugin" in error.hint


def test_missing_compose_with_the_plugin_or_the_program_is_nothing(
    programs: Path, root: Path
) -> None:
    put(programs, "docker-compose")
    assert codes(root, COMPOSE) == []
    (programs / "docker-compose").unlink()
    put(programs, "docker", PLUGIN)
    assert codes(root, COMPOSE) == []


def test_missing_names_each_compose_file_that_does_not_exist(programs: Path, root: Path) -> None:
    put(programs, "docker-compose")
    value = {"dockerComposeFile": ["compose.yml", "../more.yml", "${localEnv:X}.yml"]}
    assert codes(root, value) == ["compose-file-missing"]


@pytest.mark.parametrize(
    "step",
    [
        "RUN --mount=type=cache,target=/c pip install x",
        "run --network=none --mount=type=ssh true",
        "COPY --chmod=755 a /a",
        "ADD --checksum=sha256:1 a /a",
        "RUN <<EOF\ntrue\nEOF",
        'COPY <<-"EOF" /a\nx\nEOF',
    ],
)
def test_missing_buildkit_for_a_step_that_needs_it_is_an_error(
    programs: Path, root: Path, step: str
) -> None:
    (root / ".devcontainer/line/Dockerfile").write_text(f"FROM a\n{step}\n")
    value = {"build": {"dockerfile": "Dockerfile"}, "features": {"x": {}}}
    (error,) = host_programs.missing(root, Configuration(PATH, value), builds=True)
    assert error.code == "buildkit-missing" and "Dockerfile:2" in error.what
    assert codes(root, value, builds=False) == []
    put(programs, "docker", PLUGIN)
    assert codes(root, value) == []


@pytest.mark.parametrize("step", ["RUN cat <<< x", "COPY --from=a /b /c", "RUN echo --mount=x", ""])
def test_missing_buildkit_for_a_plain_step_is_nothing(
    programs: Path, root: Path, step: str
) -> None:
    (root / ".devcontainer/line/Dockerfile").write_text(f"FROM a\n{step}\n")
    assert codes(root, {"build": {"dockerfile": "Dockerfile"}, "features": {"x": {}}}) == []


def test_missing_buildkit_for_an_option_of_the_build_is_an_error(
    programs: Path, root: Path
) -> None:
    value = {"build": {"dockerfile": "Dockerfile", "options": ["--ssh=default"]}}
    assert codes(root, value) == ["buildkit-missing"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["no-such-program", "x"], ["host-program-missing"]),
        ({"a": ["no-such-program"], "b": ["sh", "-c", "true"]}, ["host-program-missing"]),
        (["./setup.sh"], ["host-program-missing"]),
        ("no-such-program in a shell's words", []),
        (["sh", "-c", "true"], []),
        (["${localEnv:TOOL}"], []),
        (7, []),
    ],
)
def test_missing_program_of_initialize_command(
    programs: Path, root: Path, command: object, found: list[str]
) -> None:
    assert codes(root, {"image": "a", "initializeCommand": command}, builds=False) == found
