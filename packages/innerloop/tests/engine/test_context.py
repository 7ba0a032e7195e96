"""A build sends environment/ and nothing more, and what .dockerignore names is neither sent nor read."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.model.dockerfiles.dockerignore import matcher
from tests.support import BUILDKIT, Workspace, docker

pytestmark = pytest.mark.docker

LISTS = "FROM python:3.11-slim-bookworm\nCOPY . /context\n"
GB = 10**9
OLDER = {"DOCKER_BUILDKIT": "0"}
BUILDERS = [
    pytest.param(OLDER, id="older builder"),
    pytest.param(BUILDKIT, id="BuildKit", marks=pytest.mark.buildkit),
]


def sparse(path: Path) -> None:
    """A GB to whoever reads it; the disk gives it no room."""
    with path.open("wb") as file:
        file.truncate(GB)


def sent(image: str) -> set[str]:
    listed = docker("run", "--rm", image, "find", "/context", "-type", "f", "-printf", "%P\n")
    return set(listed.splitlines())


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_gigabyte_beside_it_and_one_that_is_ignored(
    workspace: Workspace, builder: dict[str, str]
) -> None:
    workspace.add("line", "", dockerfile=LISTS)
    environment = workspace.root / "src/line/environment"
    sparse(workspace.root / "src/line/beside.bin")
    sparse(workspace.root / "big.bin")
    sparse(environment / "inside.bin")
    workspace.write("src/line/environment/.dockerignore", "*.bin\n")
    built = workspace.loop("build", "line", env=builder)
    assert built.code == 0, built.err
    assert sent(built.out.strip()) == {"Dockerfile", "requirements.txt", ".dockerignore"}
    if builder is OLDER:
        (line,) = [line for line in built.err.splitlines() if "Sending build context" in line]
        assert line.strip().endswith("kB"), line
    # A change of what is ignored is none of the image's.
    (environment / "inside.bin").write_text("small")
    assert "up to date" in workspace.loop("build", "line").err


PATTERNS = """
# a comment
*.log
!keep.log
/top
**/deep*.txt
a/*/c
[xy].md
nested/**
!nested/in/again.txt
"""
NAMES = [
    "one.log", "keep.log", "a/one.log", "top", "a/top", "deep.txt", "a/b/deeper.txt", "a/b/c",
    "a/b/d/c", "x.md", "z.md", "nested/out.txt", "nested/in/again.txt", "nested/in/out.txt",
]  # fmt: skip


@pytest.mark.parametrize("builder", BUILDERS)
def test_patterns_mean_what_they_mean_to_the_builder(
    workspace: Workspace, builder: dict[str, str]
) -> None:
    workspace.add("line", "", dockerfile=LISTS)
    workspace.write("src/line/environment/.dockerignore", PATTERNS)
    for name in NAMES:
        workspace.write(f"src/line/environment/{name}", "x")
    built = workspace.loop("build", "line", env=builder)
    assert built.code == 0, built.err
    ignored = matcher(PATTERNS)
    kept = {name for name in NAMES if not ignored(name)}
    assert sent(built.out.strip()) == kept | {"Dockerfile", "requirements.txt", ".dockerignore"}
