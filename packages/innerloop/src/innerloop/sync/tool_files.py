"""The tool's own files where a merge of two branches left them in conflict.

The pin names a version with its dependencies and hashes, and the launcher belongs to it: they count
whole, as the side with the newer version has them. Text of both sides together is a pin that nobody
has tried.
"""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path

from ..util import files, git_markers, versions
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..workspace.loader import WorkspaceFiles
from . import git_conflicts, three_way_text
from .git_conflicts import Sides
from .render.settings_json import JOB_SCHEMA
from .transaction import PIN, Change

PATHS = (PIN, "scripts/loop", "scripts/loop.cmd", "scripts/test", "scripts/test.cmd")
# VS Code's extension, which is the tool's as well.
EXTENSION = ".vscode/extensions/innerloop/"
_PINNED = late_pattern(r"^innerloop==([^\s;\\]+)", re.MULTILINE)


def has_extension(root: Path) -> bool:
    """Whether the workspace has VS Code's extension of the tool."""
    return WorkspaceFiles(root).exists(JOB_SCHEMA)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The changes that settle the conflict. `version` is the pinned one then; "" for none."""

    changes: tuple[Change, ...]
    version: str

    def notes(self) -> tuple[str, ...]:
        what = (
            f"git left it in conflict; the side of innerloop {self.version or '(none)'} was taken"
        )
        return tuple(
            f"{change.path}: {what}. Check it, then `git add` it" for change in self.changes
        )


def pinned_version(text: str) -> str:
    """The version of the tool that a pin names, as it is written; "" for none."""
    match = _PINNED.search(text)
    return match[1] if match else ""


def settlement(root: Path) -> Settlement | None:
    """None unless git left the pin in conflict, as it still is. Nothing is written.

    A pin that a person has begun to resolve by hand is theirs. What is equal to one side counts as
    it does for generated files: see `git_conflicts`.
    """
    unmerged = git_conflicts.unmerged_files(root)
    pin = _conflict(root, PIN, unmerged)
    if pin is None:
        return None
    ours, theirs = pinned_version(pin[1].ours), pinned_version(pin[1].theirs)
    is_theirs = versions.is_newer(theirs, ours)
    changes = []
    extension = sorted(path for path in unmerged if path.startswith(EXTENSION))
    for path in (*PATHS, *extension):
        if (conflict := _conflict(root, path, unmerged)) is None:
            continue
        text, sides = conflict
        after = three_way_text.like(text, sides.theirs if is_theirs else sides.ours)
        if after != text:
            changes.append(Change(path, text, after))
    return Settlement(tuple(changes), theirs if is_theirs else ours) if changes else None


def _conflict(root: Path, path: str, unmerged: Set[str]) -> tuple[str, Sides] | None:
    """The text on the disk and both sides, for a file that is as git left it."""
    try:
        text = files.read_own(root / path)
    except UserError:  # a link that leads out, or no text
        return None
    is_marked = text is not None and git_markers.is_whole(text)
    if text is None or not (is_marked or path in unmerged):
        return None
    plain = text.replace("\r\n", "\n")
    sides = git_conflicts.sides_of(root, path)
    if sides is None and is_marked:  # of `git stash pop`, or without git
        sides = Sides("", git_markers.side(text, "<"), git_markers.side(text, ">"))
    elif sides is None or not _is_as_git_left_it(plain, sides, is_marked):
        return None
    return text, sides


def _is_as_git_left_it(plain: str, sides: Sides, is_marked: bool) -> bool:
    if is_marked:
        return git_conflicts.is_as_git_left_it(plain, sides)
    return plain in (sides.ours, sides.theirs)
