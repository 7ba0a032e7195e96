"""What a rename or a removal is about to do, written down so that it can be completed after a kill.

The file is parsed as a stranger's: it may have come with the workspace.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..sync.state_file import is_inside
from ..util import files
from ..util.errors import UserError


def write(root: Path, path: str, values: dict[str, str]) -> None:
    files.write_text(root / path, json.dumps(values))


def read(root: Path, path: str, keys: frozenset[str]) -> dict[str, str] | None:
    """Relative paths within the workspace by key; None when nothing is to be completed.

    Raises UserError for anything else.
    """
    text = files.read_own(root / path)
    if text is None:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if (
        not isinstance(values, dict)
        or set(values) != keys
        or not all(isinstance(value, str) and is_inside(value) for value in values.values())
    ):
        raise UserError(
            "this record of an interrupted command cannot be read",
            code="journal-invalid",
            where=path,
            hint="Delete it, then see what `git status` shows",
        )
    return values


def clear(root: Path, path: str) -> None:
    files.remove(root / path)
