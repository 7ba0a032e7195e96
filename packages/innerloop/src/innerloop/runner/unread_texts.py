"""Files below src/ whose text a plan was made without: an edit of one needs no other plan.

Of such a file a plan knows the name, mode and owner, and at most what a glimpse shows (see
`read_states.glimpse`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..model.paths import is_within
from ..model.source_names import SOURCES
from ..util import regular_files
from ..workspace import read_states
from ..workspace.read_states import Row

# Files of a workspace of which glimpses are kept. Of more than that a change of any is another plan.
MOST = 2_000
# A row of a file, and where it has the mode and the size.
_OF_A_FILE, _MODE, _KNOWN = 7, 1, 3


def read_texts(root: Path) -> list[str]:
    """The files below src/ whose text this process has read, relative to the root."""
    top = os.path.realpath(root)
    paths = (os.path.relpath(os.path.realpath(path), top) for path in regular_files.texts_read)
    return sorted({path for path in paths if path.startswith(f"{SOURCES}{os.sep}")})


def divided(
    rows: Sequence[Row], texts: Collection[str], context: str
) -> tuple[list[Row], list[Row]]:
    """The rows that count as they are, and those of files whose text was not read.

    `texts` are those that were. In `context`, which a build gets, every text counts.
    """
    known = set(texts)
    unread = [
        row
        for row in rows
        if len(row) == _OF_A_FILE
        and row[0].startswith(f"{SOURCES}/")
        and row[0] not in known
        and stat.S_ISREG(row[_MODE])
        and not (context and is_within(row[0], context))
    ]
    if len(unread) > MOST:
        return list(rows), []
    names = {row[0] for row in unread}
    return [row for row in rows if row[0] not in names], unread


def without_texts(rows: Iterable[Row]) -> list[Row]:
    """Of each file the name, mode and owner."""
    return [row[:_KNOWN] for row in rows]


def noted(root: Path, rows: Iterable[Row]) -> list[list[Any]]:
    """What `is_as_noted` compares: of each file its row and a glimpse. OSError for one that has gone."""
    return [[row, read_states.glimpse(root / row[0])] for row in rows]


def is_as_noted(
    root: Path,
    rows: Sequence[Row],
    notes: Sequence[Sequence[Any]],
    is_changing: Callable[[Row], bool],
) -> bool:
    """Whether a glimpse of each file shows what it did. A file with the same row is not opened.

    `is_changing`: whether a row may change, or stay the same, whatever the text does.
    """
    if len(rows) != len(notes):
        return False
    return all(
        (row == before and not is_changing(row)) or read_states.glimpse(root / row[0]) == seen
        for row, (before, seen) in zip(rows, notes, strict=True)
    )
