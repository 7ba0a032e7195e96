"""Where the workspace is. Apart from `loader`, which takes much longer to import."""

from __future__ import annotations

import os
from pathlib import Path


def root_of(launcher: str) -> Path:
    """The folder above the one that holds `scripts/loop`, by the path it was called with.

    A workspace may share its scripts through a link.
    """
    return Path(os.path.abspath(launcher)).parent.parent.resolve()


def typed_below(root: Path, path: str | os.PathLike[str]) -> str | None:
    """An absolute path as a person typed it, relative to the root with "/"; None outside of it.

    Links below the root stay as they are. Those above it may be others than in `root`, which has none:
    on macOS /var is a link to /private/var, and a home may be reached by two paths.
    """
    absolute = os.path.normpath(os.path.abspath(path))
    start, rest = absolute, ""
    while True:
        if start == str(root) or _is_same(start, root):
            return rest.replace(os.sep, "/") or "."
        above, name = os.path.split(start)
        if above == start:
            return None
        start, rest = above, os.path.join(name, rest) if rest else name


def _is_same(path: str, root: Path) -> bool:
    try:
        return os.path.samefile(path, root)
    except (OSError, ValueError):
        return False
