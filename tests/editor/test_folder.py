"""What opening a folder does, and tasks of a person beside ours."""

from __future__ import annotations

import pytest

from tests.editor.conftest import Opener, fill
from tests.editor.workbench import Server
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
    assert "// mine: do not touch" in workspace.read(".vscode/tasks.json")
    window = opened(workspace.root)
    labels = [label for label, _ in window.palette()]
    assert {"my own", "run", "check"} <= set(labels)
    window.press("Escape")
    window.start("check")
    assert window.ended("check") == 0
    assert window.problems() == []  # of the file itself neither


def test_opening_the_folder_asks_first_and_speaks_only_when_something_is_behind(
    workspace: Workspace, opened: Opener, server: Server
) -> None:
    fill(workspace)
    assert workspace.loop("sync").code == 0
    server.set(task_allowAutomaticTasks=None)
    try:
        window = opened(workspace.root)
        window.notification("on opening the folder").get_by_text("Allow", exact=True).click()
        assert window.ended("on opening the folder") == 0
        assert not window.page.locator(".part.panel").is_visible()
        job = workspace.read("src/line/azure-ml-job.yaml")
        workspace.write("src/line/azure-ml-job.yaml", job.replace("epochs: 8", "epochs: 4"))
        server.set(task_allowAutomaticTasks="on")
        window = opened(workspace.root)
        window.says("would update .vscode/launch.json")
        assert window.ended("on opening the folder") == 1
    finally:
        server.set()
