"""`.vscode/settings.json`: what makes the editor agree with the tasks."""

from __future__ import annotations

from . import Json, Subject


def render(subject: Subject) -> Json:
    return {
        "[python]": {
            "editor.defaultFormatter": "ms-python.black-formatter",
            "editor.formatOnSave": True,
        },
        "files.exclude": {"**/__pycache__": True},
        "files.watcherExclude": {"**/data/**": True, "**/outputs/**": True},
        "python.analysis.extraPaths": ["scripts"],
        "python.terminal.activateEnvInCurrentTerminal": False,
        "search.exclude": {"data": True, "outputs": True},
        "task.autoDetect": "off",
    }
