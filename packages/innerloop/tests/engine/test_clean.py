"""`loop clean` against the real engine.

What this workspace made and needs no more goes, and nothing else.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.docker.docker_cli import dev_container_id, parse_size
from tests.support import Workspace, docker, make_workspace

pytestmark = pytest.mark.docker

OTHER = "FROM python:3.11-slim-bookworm\nENV CHANGED=1\n"


@pytest.fixture
def neighbour(tmp_path: Path, _tool: None) -> Iterator[Workspace]:
    """Another clone, in a folder of the same name."""
    made = make_workspace(tmp_path / "elsewhere" / "work space")
    made.add("tiny", "print(1)")
    assert made.loop("build", "tiny").code == 0
    yield made
    made.clean()


def stale(workspace: Workspace) -> str:
    """The name of an image whose environment/ has changed since."""
    workspace.add("tiny", "print(1)")
    name = workspace.loop("build", "tiny").out.strip()
    workspace.write("src/tiny/environment/Dockerfile", OTHER)
    return name


def test_only_what_is_stale_and_ours_goes(workspace: Workspace, neighbour: Workspace) -> None:
    name = stale(workspace)
    workspace.add("fine", "print(1)", dockerfile="FROM python:3.11-slim-bookworm\nENV FINE=1\n")
    fine = workspace.loop("build", "fine").out.strip()
    theirs = neighbour.images()
    neighbour.write("src/tiny/environment/Dockerfile", OTHER)  # stale as well, and not ours
    answer = workspace.loop("clean", "--yes")
    assert answer.code == 0, answer.err
    assert f"removed image {name}" in answer.out
    assert workspace.images() == [fine]
    assert neighbour.images() == theirs
    assert "nothing to clean" in workspace.loop("clean", "--yes").out


def test_without_a_terminal_it_is_shown_and_refused(workspace: Workspace) -> None:
    name = stale(workspace)
    answer = workspace.loop("clean")
    assert answer.code == 2
    assert name in answer.out and "environment/ has changed" in answer.out
    assert "--yes" in answer.message
    assert workspace.images() == [name]


@pytest.mark.parametrize(("typed", "left"), [("\n", 1), ("n\n", 1), ("y\n", 0)])
def test_on_a_terminal_it_asks(workspace: Workspace, typed: str, left: int) -> None:
    stale(workspace)
    parent, child = pty.openpty()
    os.write(parent, typed.encode())
    done = subprocess.run(
        [workspace.root / "scripts" / "loop", "clean"], stdin=child, capture_output=True, text=True
    )
    os.close(parent)
    os.close(child)
    assert done.returncode == 0, done.stderr
    assert "Remove these 1 and free at least" in done.stdout
    assert len(workspace.images()) == left


def test_a_container_that_runs_stays_and_one_that_never_came_up_goes(workspace: Workspace) -> None:
    workspace.add("tiny", "print(1)")
    image = workspace.loop("build", "tiny").out.strip()
    label = ["--label", f"innerloop.workspace={workspace.root}"]
    running = docker("run", "-d", *label, image, "sleep", "100").strip()
    docker("create", *label, image, "true")
    by_vscode = ["--label", f"devcontainer.local_folder={workspace.root}"]
    stopped = docker("create", *by_vscode, image, "true").strip()
    docker("start", "--attach", stopped)
    try:
        answer = workspace.loop("clean", "--all", "--yes")
        assert answer.code == 0, answer.err
        assert "it is running" in answer.out and "uses it" in answer.out
        left = docker("ps", "-aq", "--no-trunc", "--filter", f"ancestor={image}").split()
        assert left == [running]
    finally:
        docker("rm", "--force", running, stopped)
    assert workspace.loop("clean", "--all", "--yes").code == 0
    assert workspace.images() == []


def test_an_experiment_that_is_gone_leaves_an_image_that_goes(workspace: Workspace) -> None:
    workspace.add("tiny", "print(1)")
    workspace.loop("build", "tiny")
    (workspace.root / "src/tiny").rename(workspace.root / "gone")
    answer = workspace.loop("clean", "images", "--json", "--yes")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert [one["why"] for one in told["removed"]] == ["tiny no longer exists"]
    assert workspace.images() == []


def test_the_volume_of_a_dev_container_by_its_computed_name(workspace: Workspace) -> None:
    workspace.add("tiny", "print(1)")
    root = str(workspace.root)
    config = f"{root}/.devcontainer/tiny/devcontainer.json"
    ours = f"innerloop-cache-{dev_container_id(root, config)}"
    theirs = f"innerloop-cache-{dev_container_id('/elsewhere', config)}"
    for volume in (ours, theirs):
        docker("volume", "create", volume)
    try:
        assert ours not in workspace.loop("clean", "--dry-run").out
        assert workspace.loop("clean", "volumes", "--all", "--yes").code == 0
        there = docker("volume", "ls", "--format", "{{.Name}}").split()
        assert theirs in there and ours not in there
    finally:
        docker("volume", "rm", theirs)


def test_environments_and_outputs(workspace: Workspace) -> None:
    # A name of its own: an equal environment that another test made would be that one's.
    workspace.add("cleaned", "open('outputs/score.txt', 'w').write('1')")
    assert workspace.loop("run", "cleaned", "--backend", "venv").code == 0
    assert workspace.loop("clean", "environments", "--dry-run").out.startswith("nothing to clean")
    workspace.write("src/cleaned/environment/requirements.txt", "# another lock\n")
    answer = workspace.loop("clean", "environments", "--yes")
    assert answer.code == 0 and "its lock has changed" in answer.out
    assert "outputs" not in workspace.loop("clean", "--all", "--dry-run").out
    assert workspace.loop("clean", "outputs", "--yes").out.startswith("nothing to clean")
    assert (workspace.outputs("cleaned") / "score.txt").exists()
    assert workspace.loop("clean", "outputs", "--older-than", "0", "--yes").code == 0
    assert not (workspace.root / "outputs" / "cleaned").exists()


def test_a_word_that_is_no_kind(workspace: Workspace) -> None:
    answer = workspace.loop("clean", "imges")
    assert answer.code == 2 and "images" in answer.message


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "old"])
def test_an_age_that_is_none(workspace: Workspace, days: str) -> None:
    answer = workspace.loop("clean", "outputs", "--older-than", days, "--yes")
    assert answer.code == 2 and f"{days} is not a number of days" in answer.message


@pytest.mark.parametrize(
    ("text", "size"), [("289.3MB", 289_300_000), ("0B", 0), ("1.2kB", 1200), ("N/A", 0)]
)
def test_sizes_as_docker_writes_them(text: str, size: int) -> None:
    assert parse_size(text) == size
