"""`.devcontainer/`: the workspace's own container, with no experiment chosen.

Codespaces takes it by default; a small machine with Python, git and Docker's client, whose engine
is the host's.

Source: the Development Containers Specification. On Codespaces, of the bind mounts only that of the
engine's socket counts, and the network is always the host's.
"""

from __future__ import annotations

from pathlib import Path

from ...model.workspace import HOST, INSIDE
from .devcontainer_json import EXTENSIONS, extension_command
from .generated_files import Json, Specification

FOLDER = ".devcontainer"
PATH = f"{FOLDER}/devcontainer.json"
DOCKERFILE = f"{FOLDER}/Dockerfile"
ENTRYPOINT = f"{FOLDER}/entrypoint.sh"
# They work only together.
FILES = (PATH, DOCKERFILE, ENTRYPOINT)
# Where it is in an adopted repository, whose own one may be at PATH. No experiment can have this
# name, since a name of an experiment has no hyphen.
OWN_FOLDER = f"{FOLDER}/innerloop-workspace"
OWN_FILES = tuple(path.replace(FOLDER, OWN_FOLDER, 1) for path in FILES)
# The other place where tools look for a workspace's dev container, after PATH.
OTHER_PLACE = ".devcontainer.json"
# The same kind of name as that of every dev container's caches: one for each clone.
VOLUME = "innerloop-cache-${devcontainerId}"
SOCKET = "/var/run/docker.sock"

_TEXTS = Path(__file__).parent / "texts"


def render_all(specification: Specification, folder: str = FOLDER) -> dict[str, Json]:
    """Path -> content of the three files, in a folder."""
    return {
        f"{folder}/devcontainer.json": render(specification),
        f"{folder}/Dockerfile": _text("Dockerfile"),
        f"{folder}/entrypoint.sh": _text("entrypoint.sh"),
    }


def _text(name: str) -> str:
    """The text with a line feed at the end of each line, also where git converts line endings."""
    return (_TEXTS / name).read_text(encoding="utf-8")


def render(specification: Specification) -> Json:
    extension = extension_command(specification)
    return {
        "name": "workspace",
        "build": {"dockerfile": "Dockerfile", "context": "."},
        # Ports that runs and notebooks publish on the host's loopback are reachable in here.
        "runArgs": ["--network", "host"],
        "init": True,
        # The image's entrypoint gives the user access to the engine.
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
        **({"onCreateCommand": extension} if extension else {}),
        # The tool's environment is ready before the first command; a prebuild makes it beforehand.
        "updateContentCommand": ["scripts/loop", "--version"],
        "customizations": {
            "vscode": {"extensions": [*EXTENSIONS, "ms-azuretools.vscode-docker"]},
            "codespaces": {"openFiles": ["README.md"]},
        },
    }
