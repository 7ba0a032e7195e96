"""VS Code's extension of the workspace in a dev container, without a gallery.

A link in the folder where VS Code's server has its extensions: the server reads that folder at its
first start, and an upgrade of the workspace is one of the extension as well. A server that has a
list of its extensions no longer reads the folder, and is left alone.
"""

from __future__ import annotations

from pathlib import Path

from ..docker import docker_cli
from ..util import process
from .up import Up

FOLDER = ".vscode/extensions/innerloop"
_NAME = "innerloop.innerloop-0.0.0"
# $0 is the extension's folder.
_LINK = f"""for server in .vscode-server .vscode-server-insiders; do
    there="$HOME/$server/extensions"
    [ -e "$there/extensions.json" ] && continue
    mkdir -p "$there" && ln -sfn "$0" "$there/{_NAME}"
done"""


def offer(made: Up, root: Path) -> bool:
    """Whether VS Code finds the extension there. False without one, or where no link can be made."""
    if not (root / FOLDER / "package.json").is_file():
        return False
    argv = ["sh", "-c", _LINK, f"{made.folder}/{FOLDER}"]
    return process.run(docker_cli.exec_in(made.container, argv, user=made.user), timeout=60).ok
