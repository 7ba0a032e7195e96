"""What a run has left in its folder, as the page shows it: images, tables, its log and its patch.

The files are a program's: their names, their sizes and their content may be anything.
"""

from __future__ import annotations

import base64
import codecs
import csv
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..util import json_records, regular_files
from ..util.errors import UserError
from ..util.json_records import unicode_text
from ..util.quick_dataclasses import dataclass
from . import metric_values, recorder

Kind = Literal["image", "table", "file"]

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
TABLES = (".csv", ".tsv", ".json")
# Most files of a run that are listed, and how deep in its folder they are looked for.
MOST_FILES, DEPTH = 200, 4
# Larger images and tables are named and not shown (bytes).
LARGEST_IMAGE, LARGEST_TABLE = 8_000_000, 2_000_000
# Most rows and columns of a table that are shown, and most letters of a cell.
ROWS, COLUMNS, LETTERS = 100, 30, 200
# Most of a log in one answer, and of a patch (bytes).
LOG_PART, LARGEST_PATCH = 400_000, 400_000


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of a run. `name` is relative to the run's folder, with "/"; `size` is in bytes."""

    name: str
    kind: Kind
    size: int

    def json(self) -> dict[str, Any]:
        return {"name": unicode_text(self.name), "kind": self.kind, "size": self.size}


def find(folder: Path) -> list[RunFile]:
    """The files that the run's program has left, images first. No link is followed."""
    files = list(islice(_walk(folder, "", DEPTH), MOST_FILES))
    return sorted(files, key=lambda file: (("image", "table", "file").index(file.kind), file.name))


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[RunFile]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (OSError, ValueError):  # gone, closed to this user, or a name that no file can have
        return
    for entry in found:
        try:
            if entry.is_file(follow_symlinks=False):
                size = entry.stat(follow_symlinks=False).st_size
                yield RunFile(prefix + entry.name, _kind(entry.name, size), size)
            elif entry.is_dir(follow_symlinks=False) and _is_own(Path(entry.path)) and depth > 1:
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)
        except OSError:
            continue


def _is_own(folder: Path) -> bool:
    """Whether it is a folder of this run's program: no record, and no step or trial."""
    return (
        folder.name not in (recorder.FOLDER, "mlruns") and not (folder / recorder.RECORD).exists()
    )


def _kind(name: str, size: int) -> Kind:
    suffix = os.path.splitext(name)[1].lower()
    if suffix in IMAGES and size <= LARGEST_IMAGE:
        return "image"
    return "table" if suffix in TABLES and size <= LARGEST_TABLE else "file"


def image(path: Path) -> bytes | None:
    """The content of an image; None if it cannot be read."""
    return _content(path, LARGEST_IMAGE)


def media_type(name: str) -> str:
    return IMAGES.get(os.path.splitext(name)[1].lower(), "application/octet-stream")


def data_url(path: Path, largest: int) -> str | None:
    """The image as a URL that contains it; None if it is larger, or cannot be read."""
    content = _content(path, largest)
    if content is None:
        return None
    return f"data:{media_type(path.name)};base64,{base64.b64encode(content).decode()}"


def table(path: Path) -> list[list[str]] | None:
    """The first rows of a file that is a table, its head first; None if it is none."""
    content = _content(path, LARGEST_TABLE)
    if content is None:
        return None
    text = content.decode("utf-8-sig", "replace")
    suffix = path.suffix.lower()
    rows = _of_json(text) if suffix == ".json" else _of_csv(text, "\t" if suffix == ".tsv" else ",")
    return rows or None


def _of_csv(text: str, delimiter: str) -> list[list[str]]:
    try:
        rows = list(islice(csv.reader(text.splitlines(), delimiter=delimiter), ROWS + 1))
    except csv.Error:
        return []
    return [[_cell(value) for value in row[:COLUMNS]] for row in rows]


def _of_json(text: str) -> list[list[str]]:
    """The rows of a list of objects or of lists, or the members of one object."""
    value: Any = json_records.lenient(text)
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and len(item) > 1]
        if value and len(lists) == len(value) and len({len(item) for item in lists}) == 1:
            return _rows(list(value), zip(*lists, strict=True))
        return _rows(["name", "value"], value.items())
    if not isinstance(value, list):
        return []
    if value and all(isinstance(item, dict) for item in value):
        names = list(dict.fromkeys(name for item in value[:ROWS] for name in item))
        return _rows(names, ([item.get(name, "") for name in names] for item in value))
    if value and all(isinstance(item, list) for item in value):
        return [[_cell(cell) for cell in row[:COLUMNS]] for row in value[: ROWS + 1]]
    return []


def _rows(head: list[str], rows: Any) -> list[list[str]]:
    body = ([_cell(cell) for cell in list(row)[:COLUMNS]] for row in islice(rows, ROWS))
    return [[_cell(name) for name in head[:COLUMNS]], *body]


def _cell(value: object) -> str:
    if isinstance(value, float):
        text = metric_values.short(value, 6)
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    return unicode_text(text if len(text) <= LETTERS else text[:LETTERS] + "…")


def log_part(path: Path, start: int) -> dict[str, Any]:
    """A log from a byte on, or its last part if that is more.

    `text` begins at the byte `start`, which is less than what was asked for after the file was
    truncated and more if a part is left out; the next part begins at the byte `next`.
    """
    try:
        with regular_files.opened(path, follow=False) as file:
            size = file.seek(0, os.SEEK_END)
            start = start if 0 <= start <= size else 0
            first = max(start, size - LOG_PART)
            file.seek(first)
            content = file.read(size - first)
    except (OSError, UserError):
        return {"start": 0, "next": 0, "text": ""}
    if first > start:  # from the next whole line on
        cut = content.find(b"\n") + 1
        content, first = content[cut:], first + cut
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content)
    unfinished = len(decoder.getstate()[0])  # a letter that is not written as a whole yet
    return {"start": first, "next": first + len(content) - unfinished, "text": text}


def patch(folder: Path) -> str:
    """What was not committed when the run started; "" for nothing."""
    return text(folder / recorder.PATCH, LARGEST_PATCH) or ""


def text(path: Path, largest: int) -> str | None:
    """The text of a file; None if it cannot be read."""
    content = _content(path, largest)
    return None if content is None else content.decode("utf-8", "replace")


def _content(path: Path, largest: int) -> bytes | None:
    try:
        return regular_files.read_bytes(path, largest, follow=False)
    except (OSError, UserError):
        return None
