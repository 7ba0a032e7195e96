"""`loop list` and `loop check` replay their output while nothing that they read has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Answer, Workspace

JOB = "inputs:\n  images:\n    type: uri_folder\n    path: ../../data/pictures\n"


@pytest.fixture
def cached(workspace: Workspace) -> Workspace:
    """Its own cache with the tool's environment in it, and files that are not brand-new."""
    cache = workspace.root / ".innerloop" / "cache"
    cache.mkdir(parents=True)
    (cache / "tool").symlink_to(Path(os.environ["INNERLOOP_CACHE"]) / "tool")
    workspace.env["INNERLOOP_CACHE"] = str(cache)
    workspace.add("tiny", "import sys\n", job=JOB)
    return workspace


def settled(workspace: Workspace, command: str) -> Answer:
    """The command's answer, after which there is an entry."""
    time.sleep(0.15)
    answer = workspace.loop(command)
    assert entries(workspace, command), answer.err
    return answer


def entries(workspace: Workspace, command: str) -> list[Path]:
    return [*Path(workspace.env["INNERLOOP_CACHE"]).glob(f"output/*-{command}.json")]


def replays(workspace: Workspace, command: str) -> bool:
    """Whether the next call prints the entry, which is marked for that."""
    (path,) = entries(workspace, command)
    text = path.read_text()
    path.write_text(text.replace('"output": "', '"output": "REPLAYED '))
    answer = workspace.loop(command)
    if not answer.out.startswith("REPLAYED "):
        return False
    path.write_text(text)
    return True


@pytest.mark.parametrize("command", ["list", "check"])
def test_unchanged_workspace_replays_output_and_exit_code(cached: Workspace, command: str) -> None:
    first = settled(cached, command)
    assert replays(cached, command)
    again = cached.loop(command)
    assert (again.code, again.out, again.err) == (first.code, first.out, first.err)


def rewrite_in_place(workspace: Workspace) -> None:
    path = workspace.root / "src/tiny/azure-ml-job.yaml"
    before = path.stat()
    path.write_text(path.read_text().replace("train.py", "trein.py"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Workspace], object]] = {
    "same size and time": rewrite_in_place,
    "new experiment": lambda workspace: workspace.add("other", ""),
    "removed file": lambda workspace: (workspace.root / "src/tiny/train.py").unlink(),
    "settings": lambda workspace: workspace.write("pyproject.toml", "[tool.innerloop]\n"),
    "data outside of src": lambda workspace: workspace.write("data/pictures/one.png", ""),
    "link": lambda workspace: (workspace.root / "src/tiny/link").symlink_to("train.py"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_runs_the_command(
    cached: Workspace, change: Callable[[Workspace], object]
) -> None:
    settled(cached, "check")
    change(cached)
    assert not replays(cached, "check")


def test_check_reports_data_that_appears_or_goes(cached: Workspace) -> None:
    without = settled(cached, "check")
    cached.write("data/pictures/one.png", "")
    assert settled(cached, "check").out != without.out
    (cached.root / "data/pictures/one.png").unlink()
    (cached.root / "data/pictures").rmdir()
    assert cached.loop("check").out == without.out


def test_variables_are_part_of_the_entry(cached: Workspace) -> None:
    settled(cached, "list")
    inside = cached.loop("list", env={"INNERLOOP_EXPERIMENT": "tiny"})
    assert "in-container" in inside.out
    assert "in-container" not in cached.loop("list").out


def test_links_out_of_src_and_unreadable_entries_are_not_trusted(cached: Workspace) -> None:
    settled(cached, "check")
    (path,) = entries(cached, "check")
    path.write_text('{"key": 1}')
    assert cached.loop("check").out and replays(cached, "check")
    path.unlink()
    (cached.root / "elsewhere").mkdir()
    (cached.root / "src/tiny/away").symlink_to(cached.root / "elsewhere")
    time.sleep(0.15)
    cached.loop("check")
    assert not entries(cached, "check")
