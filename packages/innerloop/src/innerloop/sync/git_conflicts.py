"""Generated files that `git merge` left in conflict, merged by their content.

Two tasks that two branches added are two tasks, wherever their lines are.

Both sides are in git's index until somebody runs `git add`. A file is merged when it has git's
conflict markers in it, or is still equal to one side: a person who chose that side (`git checkout
--ours`) did not mean to throw out what the other branch generated.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TypeAlias, get_args

from ..util import git, git_folders, git_markers, process
from ..util.json_values import Json
from ..util.jsonc import ParseError, parse
from ..util.quick_dataclasses import dataclass
from . import state_file, three_way, three_way_text
from .conflicts import Merged
from .merge_rules import EDITOR_FILES
from .state_file import CorruptState, ForeignPath, State

STATE = ".innerloop/state.json"
# Of a merge, a cherry-pick and a rebase: the commit of the side that git calls theirs.
_OTHERS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD")
# The record of each branch, ours first.
Records: TypeAlias = tuple[State, ...]
NO_RECORDS: Records = ()
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
    """`text` is the merge of both branches; `notes` say so, and where the branches contradict.

    `base`: what is recorded as generated of it; None: what the merged record says.
    """

    text: str
    notes: tuple[str, ...]
    base: Json | None = None


def merge_sides(
    root: Path,
    path: str,
    text: str,
    unmerged: Set[str],
    generated: Json | None = None,
    records: Records = NO_RECORDS,
) -> MergedSides | None:
    """Merges both branches' versions of a file, whose text on the disk is `text`.

    None for a file that is not in conflict, that somebody began to resolve by hand, of which a side
    cannot be parsed, or where no single text would keep what both sides wrote. `unmerged` as
    `unmerged_files` returns it. `generated` is what the file should have now, and `records` what
    each branch recorded as generated; without them, git's common ancestor is the base.
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
    if not is_marked and plain not in (sides.ours, sides.theirs):
        return None
    is_turned = not is_marked and plain != sides.ours
    bases = [state.generated.get(path) for state in records]
    try:
        merged = None
        if generated is not None and len(bases) == 2 and None not in bases:
            merged = _merge_upgraded(sides, bases, generated, path, is_marked, is_turned)
        if merged is None:
            merged = _merge_as_they_are(sides, path, is_marked, is_turned)
    except ParseError:
        return None
    if merged is None or (merged.text == plain and merged.base is None):
        return None
    what = "git left it in conflict; both branches' entries were merged"
    notes = [f"{path}: {what}. Check it, then `git add` it"] if merged.text != plain else []
    result = merged.text.replace("\n", "\r\n") if "\r\n" in text else merged.text
    return MergedSides(result, (*notes, *merged.notes), merged.base)


def _merge_as_they_are(
    sides: Sides, path: str, is_marked: bool, is_turned: bool
) -> MergedSides | None:
    """The text of one side with what the other one changed since git's common ancestor."""
    ours, theirs = (sides.theirs, sides.ours) if is_turned else (sides.ours, sides.theirs)
    merged = _merge(sides.base, ours, theirs, path)
    if is_marked and _lost_comments(merged.text, sides):
        merged = _merge(sides.base, theirs, ours, path)
        if merged.conflicts or _lost_comments(merged.text, sides):
            return None
    if merged.text is None:
        return None
    notes = [
        f"{path}:{conflict.line}: both branches changed {conflict.path}; yours stays"
        for conflict in merged.conflicts
    ]
    return MergedSides(merged.text, tuple(notes))


def _merge_upgraded(
    sides: Sides,
    bases: Sequence[Json],
    generated: Json,
    path: str,
    is_marked: bool,
    is_turned: bool,
) -> MergedSides | None:
    """Both sides brought to what is generated now, and then their edits together.

    None where the edits contradict each other, or those of a text contradict what is generated.
    """
    merged = [
        _merge_file(text, base, generated, path)
        for text, base in zip((sides.ours, sides.theirs), bases, strict=True)
    ]
    if isinstance(generated, str) and any(side.conflicts for side in merged):
        return None
    orders = [(1, 0)] if is_turned else [(0, 1), (1, 0)] if is_marked else [(0, 1)]
    for first, second in orders:
        texts = merged[first].text, merged[second].text
        if texts[0] is None or texts[1] is None:
            return None
        both = _merge_file(texts[0], generated, _value_of(texts[1], generated, path), path)
        if both.text is None or both.conflicts:
            return None
        if is_marked and not isinstance(generated, str) and _lost_comments(both.text, sides):
            continue
        return MergedSides(both.text, (), _record(merged[0].base, merged[1].base, generated))
    return None


def _merge_file(yours: str, base: Json | None, theirs: Json, path: str) -> Merged:
    if isinstance(theirs, str):
        return three_way_text.merge(yours, base if isinstance(base, str) else None, theirs)
    return three_way.merge(yours, base, theirs, EDITOR_FILES, path)


def _value_of(text: str, like: Json, path: str) -> Json:
    return three_way_text.normalized(text) if isinstance(like, str) else parse(text, path).value


def _record(ours: Json | None, theirs: Json | None, generated: Json) -> Json | None:
    """The base of both: what is generated now, but for the conflicts that either side has."""
    if isinstance(generated, str):
        return ours if theirs == generated else theirs
    text = json.dumps(ours)
    merged = three_way.merge(text, generated, theirs, EDITOR_FILES).text
    return None if merged is None else parse(merged).value


def _merge(base: str, ours: str, theirs: str, path: str) -> Merged:
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
    folder = _git_folder(root)
    return folder is not None and any((folder / name).exists() for name in _UNFINISHED)


def marks_of_merge(root: Path) -> list[Path]:
    """What git may have in its folder while a merge is unfinished; empty without a repository."""
    folder = _git_folder(root)
    names = dict.fromkeys((*_UNFINISHED, *_OTHERS))
    return [] if folder is None else [folder / name for name in names]


def _git_folder(root: Path) -> Path | None:
    """Git's folder of a workspace that is the root of its repository."""
    folders = git_folders.find(root) if (root / ".git").exists() else None
    return None if folders is None else folders.folder


def records(root: Path) -> Records:
    """What each branch recorded, ours first; nothing where that cannot be read.

    Git is asked only while a merge is unfinished.
    """
    folder = _git_folder(root)
    if folder is None or process.which("git") is None:
        return NO_RECORDS
    other = next((name for name in _OTHERS if (folder / name).exists()), None)
    states = []
    for revision in ("HEAD", other) if other else ():
        argv = git.committed(str(root), STATE, revision)
        shown = process.run(argv, env=_environment(), timeout=30)
        if not shown.ok:
            return NO_RECORDS
        try:
            states.append(state_file.load(shown.out))
        except (CorruptState, ForeignPath):
            return NO_RECORDS
    return tuple(states)


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
