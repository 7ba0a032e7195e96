"""`.vscode/extensions.json`: what VS Code offers to install on opening the workspace."""

from __future__ import annotations

from . import Json, Subject
from .devcontainer import EXTENSIONS


def render(subject: Subject) -> Json:
    return {"recommendations": ["ms-vscode-remote.remote-containers", *EXTENSIONS]}
