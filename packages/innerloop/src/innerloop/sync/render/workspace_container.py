"""`.devcontainer/devcontainer.json`: the workspace's own container, with no experiment chosen. What
Codespaces takes by default; a small machine with Python, git and Docker's client, whose engine is
the host's.

Source: the Development Containers Specification; on Codespaces, of the mounts that are bound only
that of the engine's socket counts, and the network is always the host's.
"""

from __future__ import annotations

from ...model.workspace import HOST, INSIDE
from .devcontainer_json import EXTENSIONS
from .generated_files import Json, Specification

PATH = ".devcontainer/devcontainer.json"
# The same kind of name as that of every dev container's caches: one for each clone.
VOLUME = "innerloop-cache-${devcontainerId}"
SOCKET = "/var/run/docker.sock"


def render(subject: Specification) -> Json:
    return {
        "name": "workspace",
        "build": {"dockerfile": "Dockerfile", "context": "."},
        # Ports that runs and notebooks publish on the host's loopback are ours to reach.
        "runArgs": ["--network", "host"],
        "init": True,
        # The image's entrypoint lets the user talk to the engine.
        "overrideCommand": False,
        "remoteUser": "dev",
        "mounts": [
            {"type": "bind", "source": SOCKET, "target": SOCKET},
            {"type": "volume", "source": VOLUME, "target": "/home/dev/.cache"},
        ],
        "containerEnv": {
            HOST: "${localWorkspaceFolder}",
            INSIDE: "${containerWorkspaceFolder}",
        },
        # The tool's environment is ready before the first command; a prebuild does it beforehand.
        "updateContentCommand": ["scripts/loop", "--version"],
        "customizations": {
            "vscode": {"extensions": [*EXTENSIONS, "ms-azuretools.vscode-docker"]},
            "codespaces": {"openFiles": ["README.md"]},
        },
    }
