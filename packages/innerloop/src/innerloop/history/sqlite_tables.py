"""Rows of other programs' SQLite databases, which a run left: a stranger's files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..util import regular_files
from ..util.errors import UserError

# Larger databases are not read (bytes), nor more rows, nor longer (in steps of SQLite's machine).
LARGEST_DATABASE, MOST_ROWS, MOST_STEPS = 512_000_000, 500_000, 400
_STEPS = 1_000_000

Rows = Sequence[tuple[Any, ...]]


def read(folder: Path, name: str, query: str) -> tuple[Rows, tuple[str, ...]]:
    """The rows of a query, and the problem with the file if there is one. This raises nothing.

    `query` ends with "LIMIT ?". There are no rows in a file of another kind or with other tables.
    """
    import sqlite3  # here: few runs have a database

    path = folder / name
    try:
        with regular_files.opened(path) as file:
            is_database = file.read(16) == b"SQLite format 3\0"
        if not is_database:
            return (), ()
        if path.stat().st_size > LARGEST_DATABASE:
            megabytes = LARGEST_DATABASE // 1_000_000
            return (), (f"{name}: the file is larger than {megabytes} MB",)
        return _rows(path, query), ()
    except sqlite3.Error as error:
        if "no such table" in str(error) or "no such column" in str(error):
            return (), ()  # another program's
        return (), (f"{name}: it cannot be read: {error}",)
    except UserError as error:
        return (), (f"{name}: {error.what}",)
    except OSError:
        return (), ()


def _rows(path: Path, query: str) -> Rows:
    """A stranger's schema runs no function and does not go on long, and no file is made beside it."""
    import sqlite3

    # A database that nobody writes has no write-ahead log; SQLite would make one to read it.
    is_written = os.path.exists(f"{path}-wal")
    uri = f"{path.resolve().as_uri()}?mode=ro{'' if is_written else '&immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, timeout=5)
    try:
        steps = iter(range(MOST_STEPS))
        connection.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        return connection.execute(query, (MOST_ROWS,)).fetchall()
    finally:
        connection.close()
