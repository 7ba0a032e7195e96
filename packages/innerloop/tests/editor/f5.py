"""What the tests of F5 share: the rendered configuration of a workspace, as VS Code takes it."""

from __future__ import annotations

import json
import re
import socket

from tests.editor.dap import HERE, Editor, Json, Machine, Session
from tests.support import Workspace

JOB = "line: job in its container"
# An engine that does not answer: the run goes to the place `venv`.
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def own_port(workspace: Workspace, name: str) -> None:
    """A port that no other test has, whose experiment may have the same name."""
    workspace.write(f"src/{name}/innerloop.toml", f"debug_port = {free_port()}\n")


def open_file_port(workspace: Workspace) -> None:
    """The same for the configurations that the open file decides."""
    text = f"[tool.innerloop]\ndebug_port = {free_port()}\n"
    workspace.write("pyproject.toml", text)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def rendered(workspace: Workspace, name: str) -> Json:
    """The launch configuration of this name."""
    configurations = json.loads(workspace.read(".vscode/launch.json"))["configurations"]
    return dict(next(one for one in configurations if one["name"] == name))


def task_of(workspace: Workspace, configuration: Json) -> Json:
    """The task that a configuration starts before itself."""
    tasks = json.loads(workspace.read(".vscode/tasks.json"))["tasks"]
    return dict(next(one for one in tasks if one["label"] == configuration["preLaunchTask"]))


def press_f5(
    workspace: Workspace,
    name: str,
    folder: str = "",
    machine: Machine = HERE,
    file: str = "a.py",
) -> Editor:
    """A window on the workspace, with the configuration chosen; nothing is started yet.

    In a dev container (`machine`) the folder has another path.
    """
    configuration = rendered(workspace, name)
    task = task_of(workspace, configuration)
    return Editor(folder or workspace.root, configuration, task, machine, file)


def problem(editor: Editor) -> dict[str, str]:
    """The first entry that the task's output puts into the Problems panel."""
    defaults = {"file": 1, "line": 2}  # VS Code's own
    pattern = {**defaults, **editor.task["problemMatcher"]["pattern"]}
    for line in editor.lines:
        if match := re.search(pattern["regexp"], line.rstrip("\n")):
            return {
                key: match[pattern[key]]
                for key in ("file", "line", "message")
                if match[pattern[key]]
            }
    raise AssertionError(f"no problem is shown: {editor.text}")


def started(
    workspace: Workspace,
    editors: list[Editor],
    name: str = JOB,
    *,
    engine: bool = True,
    file: str = "a.py",
) -> Editor:
    """F5 up to the task's ready line."""
    editor = press_f5(workspace, name, file=file)
    editors.append(editor)
    assert editor.start_task({} if engine else NO_ENGINE), editor.text
    return editor


def seen(process: Session, thread: int) -> tuple[str, int]:
    """File and line at which the editor shows that it stopped."""
    frame = process.top(thread)
    return frame["source"]["path"], frame["line"]
