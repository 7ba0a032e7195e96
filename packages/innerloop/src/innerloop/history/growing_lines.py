"""Series in files of JSON lines, which are read on from where the last look ended."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from . import growing_files, json_metrics
from .json_metrics import Points
from .run_metrics import Series


class _GrowingLines:
    """The points of whole lines, and the text of a line that is not whole yet."""

    def __init__(self, source: str) -> None:
        self.weight = 0
        self._source = source
        self._points = Points()
        self._rest = b""

    def read_on(self, file: IO[bytes], size: int) -> int:
        begin = file.tell()
        content = file.read(max(0, size - begin))
        whole, self._rest = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
        self._points.add(_entries(whole))
        self.weight += len(whole)
        return begin + len(whole)

    def found(self) -> dict[str, Series]:
        return self._points.series(self._source, _entries(self._rest))


def read(path: Path, source: str, largest: int) -> dict[str, Series]:
    """The series in a file. Raises UserError if it has more than `largest` bytes, or as `opened`.

    `source` is the file's name in the series. An OSError is that of `open`.
    """
    return growing_files.read(path, lambda: _GrowingLines(source), largest)


def _entries(content: bytes) -> list[dict[str, object]]:
    return json_metrics.entries_of(content.decode("utf-8", "replace"))
