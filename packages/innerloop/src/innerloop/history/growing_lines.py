"""Series in files of JSON lines that grow while somebody looks at them.

What was read of a long file is kept, so the next look reads on from there. A file that was written
again, was cut, or is another one under the same name is read from its start.
"""

from __future__ import annotations

import os
import threading
from dataclasses import field
from pathlib import Path
from typing import IO

from ..util import regular_files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import json_metrics
from .json_metrics import Points
from .run_metrics import Series

# A shorter file is not kept, nor are files that are longer than this together (bytes).
SHORT, MOST = 64_000, 8_000_000
# So many bytes at the start, and before the place to read on from, tell whether it is the same text.
_SAMPLE = 1024


@dataclass(slots=True)
class _Kept:
    """What was read of a file: its lines before `end`, the place after a line break."""

    identity: tuple[int, int]
    end: int = 0
    first: bytes = b""
    last: bytes = b""
    points: Points = field(default_factory=Points)


# By path, the one that was read last at the end.
_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def read(path: Path, source: str, largest: int) -> dict[str, Series]:
    """The series in a file. Raises UserError if it has more than `largest` bytes, or as `opened`.

    `source` is the file's name in the series. An OSError is that of `open`.
    """
    with _lock, regular_files.opened(path) as file:
        status = os.fstat(file.fileno())
        if status.st_size > largest:
            megabytes = largest // 1_000_000
            raise UserError(
                f"the file is larger than {megabytes} MB", code="file-too-large", where=str(path)
            )
        kept = _kept.pop(str(path), None)
        identity = status.st_dev, status.st_ino
        if kept is None or kept.identity != identity or not _is_as_it_was(file, kept):
            kept = _Kept(identity)
        file.seek(kept.end)
        content = file.read(largest)
        whole, rest = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
        kept.points.add(_entries(whole))
        kept.end += len(whole)
        kept.first, kept.last = _samples(file, kept.end)
        _keep(str(path), kept)
        return kept.points.series(source, _entries(rest))


def _entries(content: bytes) -> list[dict[str, object]]:
    return json_metrics.entries_of(content.decode("utf-8", "replace"))


def _is_as_it_was(file: IO[bytes], kept: _Kept) -> bool:
    return _samples(file, kept.end) == (kept.first, kept.last)


def _samples(file: IO[bytes], end: int) -> tuple[bytes, bytes]:
    file.seek(0)
    first = file.read(min(_SAMPLE, end))
    file.seek(max(0, end - _SAMPLE))
    return first, file.read(min(_SAMPLE, end))


def _keep(path: str, kept: _Kept) -> None:
    if kept.end > SHORT:
        _kept[path] = kept
    while sum(one.end for one in _kept.values()) > MOST:
        del _kept[next(iter(_kept))]
