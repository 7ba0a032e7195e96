"""`loop up` with a dev container that a team has beside its code."""

from __future__ import annotations

import json

import pytest

from tests.engine import dev
from tests.support import Workspace

pytestmark = pytest.mark.docker

IMAGE = "python:3.11-slim-bookworm"
THEIRS = """{"build": {"dockerfile": "Dockerfile"}, // theirs
  "postCreateCommand": "echo made > /tmp/made", "containerEnv": {"TEAM": "yes"}}
"""
DECLARED = """[adopted]
[experiments.fit]
job = "app/job.yml"
devcontainer = "app/.devcontainer/devcontainer.json"
"""


def test_it_is_taken_as_it_is_and_nothing_is_generated(workspace: Workspace) -> None:
    workspace.write("app/.devcontainer/devcontainer.json", THEIRS)
    workspace.write("app/.devcontainer/Dockerfile", f"FROM {IMAGE}\n")
    workspace.write("app/job.yml", f"command: ls\ncode: .\nenvironment: {{image: '{IMAGE}'}}\n")
    workspace.write("innerloop.toml", DECLARED)
    assert workspace.loop("sync").code == 0
    assert not (workspace.root / ".devcontainer" / "fit" / "devcontainer.json").exists()
    made = dev.up(workspace, "fit")
    told = workspace.loop("exec", "fit", "--", "sh", "-c", "cat /tmp/made; echo $TEAM; ls")
    assert told.out.split() == ["made", "yes", "job.yml"], told.err
    assert workspace.loop("outdated", "fit").code == 0
    parity = json.loads(workspace.loop("parity", "fit", "--json").out)
    assert parity[0]["unexplained"] == []
    down = workspace.loop("down", "fit", "--json")
    assert json.loads(down.out) == {"removed": [made["container"]], "stopped": []}
    assert workspace.read("app/.devcontainer/devcontainer.json") == THEIRS


def test_path_that_is_no_file_is_one_error(workspace: Workspace) -> None:
    workspace.write("app/job.yml", "command: ls\ncode: .\n")
    workspace.write("innerloop.toml", DECLARED)
    answer = workspace.loop("check", "fit")
    assert answer.code == 1
    assert "innerloop.toml:4" in answer.message and "[declared-path-missing]" in answer.err
