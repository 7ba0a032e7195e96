"""What the tests of F5 share: the rendered configuration of a workspace, as VS Code takes it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.editor.dap import Editor, Json
from tests.support import Workspace


def rendered(workspace: Workspace, name: str) -> Json:
    """The launch configuration of this name."""
    configurations = json.loads(workspace.read(".vscode/launch.json"))["configurations"]
    return next(one for one in configurations if one["name"] == name)


def task_of(workspace: Workspace, configuration: Json) -> Json:
    """The task that a configuration starts before itself."""
    tasks = json.loads(workspace.read(".vscode/tasks.json"))["tasks"]
    return next(one for one in tasks if one["label"] == configuration["preLaunchTask"])


def press_f5(workspace: Workspace, name: str, folder: Path | None = None) -> Editor:
    """A window on the workspace, with the configuration chosen; nothing is started yet."""
    configuration = rendered(workspace, name)
    return Editor(folder or workspace.root, configuration, task_of(workspace, configuration))
