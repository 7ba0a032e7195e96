"""A base image that is built anew under the same tag: the images on it are outdated."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.support import Workspace

pytestmark = pytest.mark.docker
BASE = f"innerloop-tests-base-{os.getpid()}:1"


def build_base(word: str) -> None:
    text = f"FROM python:3.11-slim-bookworm\nENV WORD={word}\n"
    argv = ["docker", "build", "--quiet", "--tag", BASE, "-"]
    subprocess.run(argv, input=text, text=True, check=True, capture_output=True)


@pytest.fixture
def based(workspace: Workspace) -> Iterator[Workspace]:
    build_base("one")
    workspace.add("tiny", "import os; print(os.environ['WORD'])")
    workspace.write("src/tiny/environment/Dockerfile", f"ARG B={BASE}\nFROM ${{B}} AS x\nFROM x\n")
    yield workspace
    subprocess.run(["docker", "image", "rm", "--force", BASE], capture_output=True)


def test_base_image_built_anew_rebuilds_what_is_on_it(based: Workspace) -> None:
    first = based.loop("run", "tiny", "--backend", "docker")
    assert (first.code, first.out) == (0, "one\n"), first.err
    again = based.loop("run", "tiny", "--backend", "docker")
    assert "building" not in again.err
    build_base("two")
    outdated = based.loop("outdated", "tiny")
    assert f"the base image {BASE} changed" in outdated.out + outdated.err
    changed = based.loop("run", "tiny", "--backend", "docker")
    assert changed.out == "two\n"
    assert f"changed since the last build: the base image {BASE} changed" in changed.err
    assert "building" not in based.loop("run", "tiny", "--backend", "docker").err
