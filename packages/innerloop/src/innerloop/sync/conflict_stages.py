"""Conflicts of generated files in git's index, so that a merge editor shows them.

The working file keeps the person's text. The index gets what git itself leaves of a conflict: the
base (stage 1), the person's text (2) and the generated one (3). `git add` settles it.

A file keeps its entry if it is not tracked, if it is in conflict already, or if something was
staged: that would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..util import files, git, process
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from . import three_way, three_way_text
from .engine import ConflictedFile
from .merge_rules import EDITOR_FILES

_TIMEOUT = 30
_ENTRY = late_pattern(r"(1[0-7]{5}) ([0-9a-f]{40}|[0-9a-f]{64}) ([0-3])\t(.+)", re.DOTALL)
_COMMITTED = late_pattern(r"1[0-7]{5} blob ([0-9a-f]{40}|[0-9a-f]{64})\t(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A tracked file: its mode and object in the index."""

    path: str
    mode: str
    blob: str


def entries(root: Path, paths: Sequence[str]) -> tuple[IndexEntry, ...]:
    """The entries of those files that can be shown as conflicts without a loss."""
    if not paths or process.which("git") is None:
        return ()
    listed = process.run(git.in_index(str(root), paths), timeout=_TIMEOUT)
    committed = process.run(git.in_head(str(root), paths), timeout=_TIMEOUT)
    if not (listed.ok and committed.ok):
        return ()
    heads = {match[2]: match[1] for match in _matches(_COMMITTED, committed.out)}
    return tuple(
        IndexEntry(match[4], match[1], match[2])
        for match in _matches(_ENTRY, listed.out)
        if match[3] == "0" and heads.get(match[4]) == match[2] and match[1].startswith("100")
    )


def mark(
    root: Path, conflicted: Iterable[ConflictedFile], known: Iterable[IndexEntry]
) -> list[str]:
    """Put the conflicts of the `known` files into the index, and return their paths.

    A git that refuses is no error: the messages of sync name the conflicts too.
    """
    prefix = _prefix(root)
    by_path = {file.path: file for file in conflicted}
    rows: list[str] = []
    marked = []
    for entry in known:
        stages = _stages(root, by_path[entry.path]) if entry.path in by_path else []
        if not stages or prefix is None:
            continue
        rows.append(_row("0", "0" * len(entry.blob), 0, prefix + entry.path))
        rows += [_row(entry.mode, blob, stage, prefix + entry.path) for stage, blob in stages]
        marked.append(entry.path)
    return marked if rows and _update(root, rows) else []


def unmark(root: Path, known: Iterable[IndexEntry]) -> None:
    """Give back the entries of those files that are still in conflict."""
    listed = list(known)
    if not listed or process.which("git") is None:
        return
    shown = process.run(git.in_index(str(root), [e.path for e in listed]), timeout=_TIMEOUT)
    open_paths = {match[4] for match in _matches(_ENTRY, shown.out) if match[3] != "0"}
    prefix = _prefix(root)
    rows = []
    for entry in listed:
        if prefix is not None and entry.path in open_paths:
            rows.append(_row("0", "0" * len(entry.blob), 0, prefix + entry.path))
            rows.append(_row(entry.mode, entry.blob, 0, prefix + entry.path))
    if rows:
        _update(root, rows)


def _stages(root: Path, file: ConflictedFile) -> list[tuple[int, str]]:
    """Stage and object of each side that exists; [] if git cannot store them."""
    yours = files.read_own(root / file.path, plain=True)
    if yours is None:
        return []
    if isinstance(file.theirs if file.theirs is not None else file.base, str):
        base, theirs = three_way_text.sides(yours, file.base, file.theirs)
    else:
        base, theirs = three_way.sides(yours, file.base, file.theirs, EDITOR_FILES, file.path)
    stages = []
    for stage, text in enumerate((base, yours, theirs), start=1):
        if text is not None:
            stored = process.run(git.store(str(root), file.path), stdin=text, timeout=_TIMEOUT)
            if not stored.ok:
                return []
            stages.append((stage, stored.out.strip()))
    return stages


def _matches(pattern: re.Pattern[str], listed: str) -> Iterator[re.Match[str]]:
    for row in listed.split("\0"):
        if match := pattern.fullmatch(row):
            yield match


def _row(mode: str, blob: str, stage: int, path: str) -> str:
    return f"{mode} {blob} {stage}\t{path}\0"


def _update(root: Path, rows: Iterable[str]) -> bool:
    return process.run(git.update_index(str(root)), stdin="".join(rows), timeout=_TIMEOUT).ok


def _prefix(root: Path) -> str | None:
    """The path of `root` in its repository ("" or "a/"); None outside of one."""
    asked = process.run(git.index_path(str(root)), timeout=_TIMEOUT)
    lines = asked.out.splitlines()
    return (lines[1] if len(lines) > 1 else "") if asked.ok else None
