"""VS Code's extension of the workspace in a dev container, without a gallery.

A generated devcontainer.json links it as the container is made; this is for containers that were
made before, and for a devcontainer.json of a person's own.
"""

from __future__ import annotations

from pathlib import Path

from ..docker import docker_cli
from ..sync.render.devcontainer_json import EXTENSION, LINK_EXTENSION
from ..util import process
from .up import Up


def offer(made: Up, root: Path) -> bool:
    """Whether VS Code finds the extension there. False without one, or where no link can be made."""
    if not (root / EXTENSION / "package.json").is_file():
        return False
    argv = ["sh", "-c", f'cd "$0" && {{ {LINK_EXTENSION}; }}', made.folder]
    return process.run(docker_cli.exec_in(made.container, argv, user=made.user), timeout=60).ok
