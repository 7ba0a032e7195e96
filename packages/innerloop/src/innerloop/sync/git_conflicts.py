"""Rendered files of two branches that `git merge` could not put together, put together by what they
say: a task that each branch added is two tasks, wherever their lines stand.

What git kept of both sides is in its index until somebody says `git add`. A file is looked at when it
has git's marks in it, or is still one side's: a person who took that one (`git checkout --ours`) has
not thrown out what the other branch rendered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ..util import files, git, process
from ..util.jsonc import ParseError, parse
from . import three_way
from .merge_rules import EDITOR_FILES

_MARKS = re.compile(r"^<{7} .*^={7}$.*^>{7} ", re.MULTILINE | re.DOTALL)
# What is in git's folder while a merge waits for a person.
_WAITING = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True)
class Sides:
    """A file in git's index: as both branches once had it, "" where neither did, and as each has it."""

    base: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Settled:
    """`text` is what both branches say together; `notes` say so, and where they said two things."""

    text: str
    notes: tuple[str, ...]


def settle(root: Path, path: str, found: str, waiting: Set[str]) -> Settled | None:
    """None for a file that is in no conflict, that somebody has settled by hand, whose sides are no
    JSON with comments, or have a comment each that no one text would keep. `waiting` as `waiting_in`
    has it."""
    if path not in waiting and "<<<<<<< " not in found:
        return None
    plain = found.replace("\r\n", "\n")
    is_marked = _MARKS.search(plain) is not None
    if not is_marked and path not in waiting:
        return None
    sides = _sides(root, path)
    if sides is None or (is_marked and not _is_as_git_left_it(plain, sides)):
        return None
    ours, theirs = sides.ours, sides.theirs
    if not is_marked and plain == theirs:
        ours, theirs = theirs, ours
    elif not is_marked and plain != ours:
        return None
    try:
        merged = _together(sides.base, ours, theirs, path)
        if is_marked and _lost_comments(merged.text, sides):
            merged = _together(sides.base, theirs, ours, path)
            if merged.clashes or _lost_comments(merged.text, sides):
                return None
    except ParseError:
        return None
    if merged.text is None or (merged.text == ours and not is_marked):
        return None
    left = "git left it in conflict, and what both branches say was put together"
    notes = [f"{path}: {left}. Look at it, then `git add` it"]
    notes += [
        f"{path}:{one.line}: both branches changed {one.path}; yours stays"
        for one in merged.clashes
    ]
    text = merged.text.replace("\n", "\r\n") if "\r\n" in found else merged.text
    return Settled(text, tuple(notes))


def _together(base: str, ours: str, theirs: str, path: str) -> three_way.Merged:
    """The text of ours with what theirs says, but not with its comments."""
    last = parse(base).value if base else None
    return three_way.merge(ours, last, parse(theirs, path).value, EDITOR_FILES, path)


def _lost_comments(text: str | None, sides: Sides) -> bool:
    """Whether a comment that one of both branches added is not in the text."""
    here, base = _comments(text or ""), _comments(sides.base)
    return any(_comments(side) - base - here for side in (sides.ours, sides.theirs))


def _comments(text: str) -> Counter[str]:
    return Counter(parse(text).comments_in(0, len(text)))


def _is_as_git_left_it(found: str, sides: Sides) -> bool:
    """Whether nobody has begun to settle it by hand: each line is of a side, and of each side stands
    there what it added and what both had kept."""
    base, ours, theirs = (
        Counter(text.splitlines()) for text in (sides.base, sides.ours, sides.theirs)
    )
    one, other = (Counter(_half(found, side)) for side in "<>")
    # What each side took out of equal lines are two of them.
    kept = (base & ours & theirs) & (ours + theirs - base)
    return (
        set(one + other) <= set(ours + theirs)
        and not (ours - base) - one and not (theirs - base) - other
        and not kept - one and not kept - other
    )  # fmt: skip


def _half(found: str, side: str) -> Iterator[str]:
    """The lines of a file with marks as one side has them."""
    part = ""
    for line in found.splitlines():
        mark = line[:7]
        if mark in ("<<<<<<<", "|||||||", ">>>>>>>") or line == "=======":
            part = {"<": "<", "|": "|", "=": ">", ">": ""}[line[0]]
        elif part in ("", side):
            yield line


def waiting_in(root: Path) -> Set[str]:
    """The files that a merge has left for a person. A workspace below its repository's root is not
    looked for: git is asked only where something waits."""
    if not _is_merging(root) or process.which("git") is None:
        return frozenset()
    told = process.run(git.unmerged(str(root)), timeout=30)
    return {row.partition("\t")[2] for row in told.out.split("\0") if row} if told.ok else set()


def _is_merging(root: Path) -> bool:
    folder = root / ".git"
    if folder.is_file():  # a worktree of somebody
        folder = root / (files.read_text(folder) or "").removeprefix("gitdir:").strip()
    return any((folder / name).exists() for name in _WAITING)


def _sides(root: Path, path: str) -> Sides | None:
    if process.which("git") is None:
        return None
    texts: Mapping[int, process.CompletedCommand] = {
        stage: process.run(git.staged(str(root), path, stage), timeout=30) for stage in (1, 2, 3)
    }
    if not (texts[2].ok and texts[3].ok):
        return None
    return Sides(texts[1].out if texts[1].ok else "", texts[2].out, texts[3].out)
