"""The experiment that a person means if they name none: by the open file, or by asking.

The last answer for each workspace is in the user's cache, and comes first the next time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..model.workspace import Workspace
from ..util import console, files, selection
from ..util.cache_folder import cache_folder
from ..util.digests import sha256
from ..util.errors import UsageError, UserError

LONGEST = 1000


def pick(workspace: Workspace, names: Sequence[str], *, is_owner: bool = False) -> str | None:
    """One of these experiments; None if there is more than one and nobody can be asked.

    A single name needs no question if a person is there, or if it owns the file they named.
    """
    if len(names) == 1 and (is_owner or console.can_ask()):
        return names[0]
    if len(names) < 2 or not console.can_ask():
        return None
    options = [selection.Option(name) for name in in_order(names, last(workspace))]
    option = selection.choose(options, "Which experiment?", default=True)
    if option is None:
        raise UsageError(
            "no experiment is named", code="experiment-unnamed", hint="Choose one of the list"
        )
    remember(workspace, option.label)
    return option.label


def in_order(names: Sequence[str], first: str) -> list[str]:
    return [*(name for name in names if name == first), *(name for name in names if name != first)]


def last(workspace: Workspace) -> str:
    """The last answer; "" if there is none."""
    with suppress(UserError):
        return (files.read_text(_record(workspace)) or "")[:LONGEST].strip()
    return ""


def remember(workspace: Workspace, name: str) -> None:
    with suppress(UserError):  # without it, the list is in alphabetical order
        files.write_private(_record(workspace), f"{name}\n")


def _record(workspace: Workspace) -> Path:
    root = os.path.realpath(workspace.root)
    name = sha256(root.encode("utf-8", "replace")).hexdigest()
    return cache_folder() / "choice" / name


def file_of(root: Path, word: str, cwd: Path) -> str | None:
    """The path of the file that a word names, relative to the root with "/"; None without one.

    The word is relative to the root or to the current folder, or absolute.
    """
    for folder in (root, cwd):
        path = Path(os.path.normpath(folder / word.replace("\\", "/")))
        with suppress(OSError, ValueError):
            if path.is_file() and path.is_relative_to(root):
                return path.relative_to(root).as_posix()
    return None
