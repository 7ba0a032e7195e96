"""What opening a folder does, and tasks of a person beside ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.sync.render import vscode_tasks
from tests.editor.conftest import Opener, fill
from tests.editor.workbench import Server, wait_for
from tests.support import Workspace

pytestmark = pytest.mark.editor

THEIRS = """{
    // mine: do not touch
    "version": "2.0.0",
    "tasks": [
        { "label": "my own", "type": "process", "command": "echo", "args": ["mine"] }, // first
    ]
}
"""


def test_a_persons_tasks_and_comments_live_beside_ours(
    workspace: Workspace, opened: Opener
) -> None:
    fill(workspace)
    workspace.write(".vscode/tasks.json", THEIRS)
    assert workspace.loop("sync").code == 0
    assert workspace.read(".vscode/tasks.json") == THEIRS
    assert workspace.loop("sync", "--take", ".vscode/tasks.json:.").code == 0
    assert "// mine: do not touch" in workspace.read(".vscode/tasks.json")
    window = opened(workspace.root)
    labels = [label for label, _ in window.palette()]
    assert {"my own", vscode_tasks.RUN, vscode_tasks.FORMAT} <= set(labels)
    window.press("Escape")
    window.start(vscode_tasks.FORMAT)
    assert window.ended(vscode_tasks.FORMAT, seconds=180) == 0
    assert window.problems() == []  # of the file itself neither


def checking(workspace: Workspace) -> bool:
    """Whether the workspace's `loop outdated --check --files` runs now."""
    mark = f"{workspace.root}/scripts/loop\0outdated\0--check".encode()
    return any(mark in _read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has just ended


def test_opening_the_folder_asks_first_and_speaks_only_when_something_is_behind(
    workspace: Workspace, opened: Opener, server: Server
) -> None:
    fill(workspace)
    assert workspace.loop("sync").code == 0
    server.set(task_allowAutomaticTasks=None)
    try:
        window = opened(workspace.root)
        question = window.notification(vscode_tasks.ON_OPEN)
        question.wait_for()
        assert not checking(workspace)
        question.get_by_text("Allow", exact=True).click()
        wait_for("its start", lambda: checking(workspace), pause=0.01)
        wait_for("its end", lambda: not checking(workspace))
        window.command("Notifications: Clear All Notifications")
        assert not window.page.locator(".part.panel").is_visible()
        assert not window.terminals()
        job = workspace.read("src/line/azure-ml-job.yaml")
        workspace.write("src/line/azure-ml-job.yaml", job.replace("epochs: 8", "epochs: 4"))
        server.set(task_allowAutomaticTasks="on")
        window = opened(workspace.root)
        window.says("generated files are outdated: .vscode/launch.json")
        window.says(vscode_tasks.MORE)
    finally:
        server.set()
