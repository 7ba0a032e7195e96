"""What the tests of F5 share: the rendered configuration of a workspace, as VS Code takes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.editor.dap import Editor, Json
from tests.support import Workspace

# An engine that does not answer: the run goes to the place `venv`.
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def rendered(workspace: Workspace, name: str) -> Json:
    """The launch configuration of this name."""
    configurations = json.loads(workspace.read(".vscode/launch.json"))["configurations"]
    return dict(next(one for one in configurations if one["name"] == name))


def task_of(workspace: Workspace, configuration: Json) -> Json:
    """The task that a configuration starts before itself."""
    tasks = json.loads(workspace.read(".vscode/tasks.json"))["tasks"]
    return dict(next(one for one in tasks if one["label"] == configuration["preLaunchTask"]))


def press_f5(workspace: Workspace, name: str, folder: Path | None = None) -> Editor:
    """A window on the workspace, with the configuration chosen; nothing is started yet."""
    configuration = rendered(workspace, name)
    return Editor(folder or workspace.root, configuration, task_of(workspace, configuration))


def problem(editor: Editor) -> dict[str, str]:
    """The first entry that the task's output puts into the Problems panel."""
    pattern = editor.task["problemMatcher"]["pattern"]
    for line in editor.lines:
        if match := re.search(pattern["regexp"], line.rstrip("\n")):
            return {
                key: match[pattern[key]]
                for key in ("file", "line", "message")
                if match[pattern[key]]
            }
    raise AssertionError(f"no problem is shown: {editor.text}")
