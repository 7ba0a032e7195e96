"""`.vscode/extensions.json`: what VS Code offers to install on opening the workspace."""

from __future__ import annotations

from . import Json, Subject
from .devcontainer import EXTENSIONS

# Each would format Python as well, and VS Code would ask which one to take.
UNWANTED = ["ms-python.autopep8", "eeyore.yapf"]


def render(subject: Subject) -> Json:
    return {
        "recommendations": ["ms-vscode-remote.remote-containers", *EXTENSIONS],
        "unwantedRecommendations": UNWANTED,
    }
