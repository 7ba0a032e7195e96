"""Generated files that `git merge` left in conflict, merged by their content.

Two tasks that two branches added are two tasks, wherever their lines are.

Both sides are in git's index until somebody runs `git add`. A file is merged when it has git's
conflict markers in it, or is still equal to one side: a person who chose that side (`git checkout
--ours`) did not mean to throw out what the other branch generated.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ..util import git, git_folders, git_markers, process
from ..util.jsonc import ParseError, parse
from . import three_way
from .merge_rules import EDITOR_FILES

# What is in git's folder while a merge is unfinished.
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True)
class Sides:
    """A file in git's index: the common ancestor ("" where there is none), and each branch's text."""

    base: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class MergedSides:
    """`text` is the merge of both branches; `notes` say so, and where the branches contradict."""

    text: str
    notes: tuple[str, ...]


def merge_sides(root: Path, path: str, text: str, unmerged: Set[str]) -> MergedSides | None:
    """Merges both branches' versions of a file, whose text on the disk is `text`.

    None for a file that is not in conflict, that somebody began to resolve by hand, of which a side
    is not JSON with comments, or where no single text would keep both sides' comments. `unmerged`
    as `unmerged_files` returns it.
    """
    if path not in unmerged and "<<<<<<< " not in text:
        return None
    plain = text.replace("\r\n", "\n")
    is_marked = git_markers.is_whole(plain)
    if not is_marked and path not in unmerged:
        return None
    sides = sides_of(root, path)
    if sides is None or (is_marked and not is_as_git_left_it(plain, sides)):
        return None
    ours, theirs = sides.ours, sides.theirs
    if not is_marked and plain == theirs:
        ours, theirs = theirs, ours
    elif not is_marked and plain != ours:
        return None
    try:
        merged = _merge(sides.base, ours, theirs, path)
        if is_marked and _lost_comments(merged.text, sides):
            merged = _merge(sides.base, theirs, ours, path)
            if merged.conflicts or _lost_comments(merged.text, sides):
                return None
    except ParseError:
        return None
    if merged.text is None or (merged.text == ours and not is_marked):
        return None
    what = "git left it in conflict; both branches' entries were merged"
    notes = [f"{path}: {what}. Check it, then `git add` it"]
    notes += [
        f"{path}:{conflict.line}: both branches changed {conflict.path}; yours stays"
        for conflict in merged.conflicts
    ]
    result = merged.text.replace("\n", "\r\n") if "\r\n" in text else merged.text
    return MergedSides(result, tuple(notes))


def _merge(base: str, ours: str, theirs: str, path: str) -> three_way.Merged:
    """The text of ours with the entries of theirs, but without its comments."""
    ancestor = parse(base).value if base else None
    return three_way.merge(ours, ancestor, parse(theirs, path).value, EDITOR_FILES, path)


def _lost_comments(text: str | None, sides: Sides) -> bool:
    """Whether a comment that one of the branches added is missing in the text."""
    here, base = _comments(text or ""), _comments(sides.base)
    return any(_comments(side) - base - here for side in (sides.ours, sides.theirs))


def _comments(text: str) -> Counter[str]:
    return Counter(parse(text).comments_in(0, len(text)))


def is_as_git_left_it(text: str, sides: Sides) -> bool:
    """Whether nobody has begun to resolve it by hand.

    That is so if each line comes from a side, and each side's half has the lines that it added and
    those that both kept.
    """
    base, ours, theirs = (
        Counter(git_markers.lines(side)) for side in (sides.base, sides.ours, sides.theirs)
    )
    first, second = (
        Counter(git_markers.lines_of_side(text, half)) for half in get_args(git_markers.Side)
    )
    # Where each side removed one of several equal lines, two of them are gone.
    kept = (base & ours & theirs) & (ours + theirs - base)
    return (
        set(first + second) <= set(ours + theirs)
        and not (ours - base) - first and not (theirs - base) - second
        and not kept - first and not kept - second
    )  # fmt: skip


def unmerged_files(root: Path) -> Set[str]:
    """The files that an unfinished merge left in conflict.

    Git is asked only while a merge is unfinished, and only for a workspace that is the root of its
    repository.
    """
    if not _is_merging(root) or process.which("git") is None:
        return frozenset()
    env = _environment()
    listed = process.run(git.unmerged(str(root)), timeout=30, exact=True, env=env)
    return {row.partition("\t")[2] for row in listed.out.split("\0") if row} if listed.ok else set()


def _is_merging(root: Path) -> bool:
    folders = git_folders.find(root) if (root / ".git").exists() else None
    return folders is not None and any((folders.folder / name).exists() for name in _UNFINISHED)


def _environment() -> dict[str, str]:
    return git.environment(os.environ, has_own=True)


def sides_of(root: Path, path: str) -> Sides | None:
    """Both branches' texts in git's index; None for a file that is not in conflict there."""
    if process.which("git") is None:
        return None
    texts: Mapping[int, process.CompletedCommand] = {
        stage: process.run(git.staged(str(root), path, stage), timeout=30, env=_environment())
        for stage in (1, 2, 3)
    }
    if not (texts[2].ok and texts[3].ok):
        return None
    return Sides(texts[1].out if texts[1].ok else "", texts[2].out, texts[3].out)
