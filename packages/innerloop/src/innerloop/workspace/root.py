"""Where the workspace is. Apart from `loader`, which takes much longer to import."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path


def root_of(launcher: str) -> Path:
    """The folder above the one that holds `scripts/loop`, by the path it was called with.

    A workspace may share its scripts through a link.
    """
    return Path(os.path.abspath(launcher)).parent.parent.resolve()


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


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


def as_on_disk(root: Path, path: str, names: Callable[[Path], Sequence[str]] = _names) -> str:
    """A path that exists, relative to the root, with the letters that its folders list.

    A disk of macOS or Windows opens `Src/Tiny` for src/tiny, which is then another path for the rest of
    the tool, for git and on Linux. `names` lists a folder.
    """
    folder, parts = root, []
    for part in path.split("/"):
        listed = names(folder)
        if part not in listed:
            folded = _folded(part)
            part = next((name for name in listed if _folded(name) == folded), part)
        parts.append(part)
        folder = folder / part
    return "/".join(parts)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _is_same(path: str, root: Path) -> bool:
    try:
        return os.path.samefile(path, root)
    except (OSError, ValueError):
        return False
