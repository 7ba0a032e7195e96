"""What a rename or a removal is about to do, written down so that it can be completed after a kill.

The file is parsed as a stranger's: it may have come with the workspace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..util import files, json_records
from ..util.errors import UserError
from ..util.json_records import RecordError


def write(root: Path, path: str, values: dict[str, str]) -> None:
    files.write_text(root / path, json.dumps(values))


def read(
    root: Path, path: str, rules: Mapping[str, Callable[[str, Mapping[str, str]], bool]]
) -> dict[str, str] | None:
    """The texts by key; None when nothing is to be completed.

    `rules` has every key with the rule for its text, which also gets all texts. Raises UserError,
    with nothing done, for anything else.
    """
    try:
        record = json_records.read_file(root / path)
        if record is None:
            return None
        values: dict[str, str] = {key: record.as_str(key) for key in rules}
        for key in record.value:
            if key not in rules:
                record.fail(key, "is unknown")
        for key, rule in rules.items():
            if not rule(values[key], values):
                record.fail(key, "is not a name that this command writes")
    except RecordError as error:
        raise UserError(
            f"this record of an interrupted command cannot be read: {error.what}",
            code="journal-invalid",
            where=error.position(path),
            hint="Nothing was changed. Delete it, then see what `git status` shows",
        ) from error
    return values


def require_experiment(root: Path, path: str, *folders: str) -> None:
    """Raise UserError, with nothing done, unless one of the folders is an experiment."""
    if not any((root / folder / "environment" / "Dockerfile").is_file() for folder in folders):
        raise UserError(
            f"this record of an interrupted command is about no experiment: there is no {folders[0]}",
            code="journal-invalid",
            where=path,
            hint="Nothing was changed. Delete it, then see what `git status` shows",
        )


def is_experiment(name: str, values: Mapping[str, str]) -> bool:
    """Whether it can be the name of an experiment that exists, perhaps one made by hand."""
    parts = name.split("/")
    return (
        len(name) < 240
        and json_records.is_path_inside(name)
        and not any(part.startswith(".") for part in parts)
        and parts[0] not in ("common", "src")
    )


def clear(root: Path, path: str) -> None:
    files.remove(root / path)
