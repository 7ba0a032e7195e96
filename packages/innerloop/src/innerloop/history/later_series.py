"""The series of a run that are read from its files when somebody looks at them.

A list of runs shows scores. The curves of ten thousand runs would be most of what an index of them has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from . import written_metrics
from .run_metrics import Series


class LaterSeries(Mapping[str, Series]):
    """The series in a run's folder, of which only the number is known before they are read.

    What their files have by then counts.
    """

    def __init__(self, folder: str, count: int) -> None:
        self._folder = folder
        self._count = count
        self._series: Mapping[str, Series] | None = None

    def __getitem__(self, name: str) -> Series:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return self._count if self._series is None else len(self._series)

    def __reduce__(self) -> tuple[type[LaterSeries], tuple[str, int]]:
        return LaterSeries, (self._folder, self._count)

    def _read(self) -> Mapping[str, Series]:
        if self._series is None:
            self._series = written_metrics.read(Path(self._folder)).series
        return self._series
