"""Files below src/ whose text was not read for a result: an edit of one leaves the result as it is.

Of such a file a result depends on the name, mode and owner, at most on what a glimpse shows (see
`read_states.glimpse`), and on the size in so far as a folder may become a large one. Whoever keeps a
result takes the glimpses before the rows are compared with those from the start: no file has changed
between its row and its glimpse.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model.source_names import SOURCES
from ..util import regular_files
from . import read_states
from .read_states import MODE, OF_A_FILE, SIZE, Row

# So many files at most: a glimpse of each is taken. With more, a change of any is another result.
MOST = 10_000
# How far a row has the name, mode and owner.
_KNOWN = 3


def divided(
    root: Path, rows: Sequence[Row], room: int, context: str = ""
) -> tuple[list[Row], dict[str, Any]]:
    """The rows of what was read, and a note on each file whose text this process has not read.

    A note is the file's row and a glimpse. `room`: how many bytes these files may get (see
    `WorkspaceFiles.room`). In `context`, a folder that a build gets, all text counts as read. OSError
    for a file that has gone.
    """
    from ..model.paths import is_within  # here: nothing is noted where a result is replayed

    read = _texts_read(root)
    unread = [
        row
        for row in rows
        if len(row) == OF_A_FILE
        and row[0].startswith(f"{SOURCES}/")
        and row[0] not in read
        and stat.S_ISREG(row[MODE])
        and not (context and is_within(row[0], context))
    ]
    if len(unread) > MOST or room < 0:
        unread = []
    names = {row[0] for row in unread}
    noted = [[row, read_states.glimpse(root / row[0])] for row in unread]
    return [row for row in rows if row[0] not in names], {"room": room, "files": noted}


def others(root: Path, rows: Sequence[Row], noted: Mapping[str, Any]) -> list[Row] | None:
    """The rows of what has no note; None where a file that has one is not as it was.

    A file with the same row is not opened. OSError for one that cannot be.
    """
    before = {row[0]: (row, seen) for row, seen in noted["files"]}
    rest: list[Row] = []
    room = noted["room"]
    for row in rows:
        known, seen = before.pop(row[0], (None, None))
        if known is None:
            rest.append(row)
        elif row != known:
            if len(row) != OF_A_FILE or row[:_KNOWN] != known[:_KNOWN]:
                return None
            room -= max(0, row[SIZE] - known[SIZE])
            if room < 0 or read_states.glimpse(root / row[0]) != seen:
                return None
    return None if before else rest


def _texts_read(root: Path) -> set[str]:
    """The files below src/ whose text this process has read, relative to the root."""
    top = os.path.join(os.path.realpath(root / SOURCES), "")  # which may be a link itself
    folders: dict[str, str] = {}
    found = set()
    for path in regular_files.texts_read:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real = os.path.join(folders[folder], name)
        real = os.path.realpath(real) if os.path.islink(real) else real
        if real.startswith(top):
            found.add(f"{SOURCES}/{real[len(top) :]}".replace(os.sep, "/"))
    return found
