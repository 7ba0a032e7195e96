"""What a person says of a run: tags, a note, and that it is to be kept.

They are in the run's own folder, `.run/notes.json`, beside its record, so that they go where
the folder goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..util import change_folder, files, json_records
from ..util.errors import UserError
from ..util.json_records import RecordError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

PATH = ".run/notes.json"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 50, 60, 10_000
_TAG = late_pattern(r"[^\W_][\w.+:/-]*")


@dataclass(frozen=True, slots=True)
class RunNotes:
    """Tags in order, without repetition; a note, "" without one; whether `clean` keeps the run."""

    tags: tuple[str, ...] = ()
    note: str = ""
    kept: bool = False

    def with_tags(self, names: Iterable[str]) -> RunNotes:
        return replace(self, tags=tuple(dict.fromkeys((*self.tags, *names))))

    def without_tags(self, names: Iterable[str]) -> RunNotes:
        left_out = set(names)
        return replace(self, tags=tuple(name for name in self.tags if name not in left_out))

    def json(self) -> dict[str, Any]:
        return {"tags": list(self.tags), "note": self.note, "kept": self.kept}


NOTHING = RunNotes()
Edit = Callable[[RunNotes], RunNotes]


def read(folder: Path) -> RunNotes:
    """The notes in a run's folder. Raises RecordError if the file is another one."""
    file = json_records.read_file(folder / PATH)
    if file is None:
        return NOTHING
    return RunNotes(
        tags=tuple(dict.fromkeys(file.as_list_of("tags", str, ()))),
        note=file.as_str("note", ""),
        kept=file.as_bool("kept", False),
    )


def change(root: Path, folder: Path, edit: Edit) -> RunNotes:
    """Change the notes of a run, one command at a time, and not while it is moved. Returns the new ones.

    UserError if the file is one that cannot be read, which is left as it is.
    """
    path = folder / PATH
    with files.locked(root / change_folder.LOCK, waiting=change_folder.WAITING):
        try:
            old = read(folder)
        except RecordError as error:
            raise UserError(
                f"the tags and the note of this run cannot be read: {error.what}",
                code="record-unreadable",
                where=error.position(str(path)),
                hint="Correct the file, or remove it",
            ) from error
        new = edit(old)
        if new != old:
            files.write_text(path, text_of(new))
    return new


def text_of(value: RunNotes) -> str:
    return json.dumps(value.json(), indent=2, ensure_ascii=False) + "\n"


def is_tag(name: str) -> bool:
    """Whether a word can be a tag: a letter or digit, then letters, digits and any of `_.+:/-`."""
    return len(name) <= LONGEST_TAG and _TAG.fullmatch(name) is not None
