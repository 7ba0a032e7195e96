"""`.vscode/extensions.json`: what VS Code offers to install on opening the workspace."""

from __future__ import annotations

from .devcontainer_json import EXTENSIONS
from .generated_files import Json, Specification

# The workspace's own extension, in .vscode/extensions: VS Code offers it from there.
OWN = "innerloop.innerloop"
# Each formats Python as well, and VS Code would ask which one to use.
UNWANTED = ["ms-python.autopep8", "eeyore.yapf"]


def render(specification: Specification) -> Json:
    return {
        "recommendations": [
            "ms-vscode-remote.remote-containers",
            *EXTENSIONS,
            "redhat.vscode-yaml",
            *([OWN] if specification.extension else []),
        ],
        "unwantedRecommendations": UNWANTED,
    }
