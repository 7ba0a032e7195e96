"""Metrics in JSON: metrics.json, metrics.jsonl, and other JSON files of the same two forms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..util import json_records
from ..util.json_records import is_number, unicode_text
from . import metric_values
from .run_metrics import RunMetrics, Series

SUMMARY, LINES = "metrics.json", "metrics.jsonl"
# The keys that number the entries of a curve; the first that exists counts.
STEPS = ("step", "epoch", "iteration", "batch")
# The keys of an entry's time, in seconds since the epoch if the number is one of this century.
TIMES = ("_timestamp", "timestamp", "wall_time", "time")
_CENTURY = range(946_684_800, 4_102_444_800)


def read(
    summary: str | None, lines: str | None, names: tuple[str, str] = (SUMMARY, LINES)
) -> RunMetrics:
    """Scores and series from the texts of metrics.json and metrics.jsonl (None: no such file).

    Values that are no metrics, and incomplete lines, are ignored. NaN and infinities are values.
    `names` are those of the two files.
    """
    return combined(summary, series_in(entries_of(lines or ""), names[1]), names[0])


def combined(summary: str | None, lines: Mapping[str, Series], source: str = SUMMARY) -> RunMetrics:
    """The same of the series that are in the lines; `source` is the file of the summary."""
    values = _mapping(summary)
    scores, series = _from_summary(values, source)
    sources = dict.fromkeys(scores, source)
    series |= lines
    for name, one in series.items():
        if name in values and values[name] is None:
            scores[name] = math.nan  # as a writer without NaN writes it
        if not math.isfinite(one.last):
            scores[name] = one.last  # the summary may have the best value of a curve that diverged
        scores.setdefault(name, one.last)
    return RunMetrics(scores, series, sources)


def entries_of(lines: str) -> list[dict[str, Any]]:
    """The objects in lines; a line that is none has no entry."""
    entries = (_mapping(line) for line in lines.splitlines() if line.strip())
    return [entry for entry in entries if entry]


def _from_summary(
    summary: Mapping[str, Any], source: str
) -> tuple[dict[str, float], dict[str, Series]]:
    scores: dict[str, float] = {}
    series: dict[str, Series] = {}
    for name, value in summary.items():
        if (number := metric_values.value_of(value)) is not None:
            scores[unicode_text(name)] = number
        elif isinstance(value, dict):
            numbers = ((key, metric_values.value_of(v)) for key, v in value.items())
            scores |= {unicode_text(f"{name}.{key}"): v for key, v in numbers if v is not None}
        elif isinstance(value, list) and value and all(isinstance(e, dict) for e in value):
            series |= series_in(value, source)
    return scores, series


# One entry of a curve: its step, its value (None for null), its epoch and its time.
_Point = tuple[float, "float | None", float, float]


def series_in(entries: Sequence[Mapping[str, Any]], source: str) -> dict[str, Series]:
    """The series in entries, each of which has the metrics of one step or epoch."""
    return Points().series(source, entries)


class Points:
    """The points of entries that come one after another."""

    def __init__(self) -> None:
        self._points: dict[str, list[_Point]] = {}
        self._number = 0

    def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for name, point in self._of(entries):
            self._points.setdefault(name, []).append(point)
        self._number += len(entries)

    def series(self, source: str, more: Sequence[Mapping[str, Any]] = ()) -> dict[str, Series]:
        """The series so far, with the points of more entries, which are not added."""
        last: dict[str, list[_Point]] = {}
        for name, point in self._of(more):
            last.setdefault(name, []).append(point)
        names = dict.fromkeys([*self._points, *last])
        points = {name: [*self._points.get(name, ()), *last.get(name, ())] for name in names}
        curves = {name: _without_gaps(written) for name, written in points.items()}
        return {name: _series(curve, source) for name, curve in curves.items() if curve}

    def _of(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, _Point]]:
        for number, entry in enumerate(entries, self._number + 1):
            step = next((entry[key] for key in STEPS if is_number(entry.get(key))), number)
            epoch = entry["epoch"] if is_number(entry.get("epoch")) else math.nan
            clock, time = _time(entry)
            for name, written in entry.items():
                if name in STEPS or name == clock:
                    continue
                value = metric_values.value_of(written)
                if value is not None or written is None:
                    yield unicode_text(name), (float(step), value, float(epoch), time)


def _time(entry: Mapping[str, Any]) -> tuple[str, float]:
    """The key of an entry's time and its value; "" and NaN without one."""
    for key in TIMES:
        value = entry.get(key)
        if value is not None and is_number(value) and int(value) in _CENTURY:
            return key, float(value)
    return "", math.nan


def _series(points: Sequence[_Point], source: str) -> Series:
    steps, values, epochs, times = zip(*points, strict=True)
    return Series(tuple(values), steps, _unless_unknown(epochs), _unless_unknown(times), source)


def _unless_unknown(column: tuple[float, ...]) -> tuple[float, ...]:
    return () if all(map(math.isnan, column)) else column


def _without_gaps(points: Sequence[_Point]) -> list[_Point]:
    """A curve without the entries in which its value is null.

    Null is no value where a metric is not measured in every entry. A writer that has no NaN writes
    null for it, too: a curve that ends with more of them in a row than it has before ends with NaN.
    Entries of one step count as one.
    """
    if not any(point[1] is None for point in points):
        return list(points)
    curve: list[_Point] = []
    longest = gap = 0
    for point in points:
        if point[1] is None:
            gap += not curve or curve[-1][0] != point[0]
        else:
            longest, gap = max(longest, gap), 0
            curve.append(point)
    if curve and gap > longest:
        step, _, epoch, time = points[-1]
        curve.append((step, math.nan, epoch, time))
    return curve


def _mapping(text: str | None) -> dict[str, Any]:
    value = json_records.lenient(text or "{}")
    return value if isinstance(value, dict) else {}
