"""Metrics in trackio's databases, one for each project: `PROJECT.db`.

Source: trackio 0.43, `trackio/sqlite_storage.py` and `trackio/utils.py` (serialize_values).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..util import json_records
from ..util.json_records import unicode_text
from . import metric_values, mlflow_store, run_metrics, sqlite_tables
from .run_metrics import RunMetrics, Series

# A folder with this in its name holds nothing else; elsewhere a database may be another program's.
_NAME = "trackio"
# In the order in which they were written. A run is told by its name, also before it had an ID.
_QUERY = "SELECT run_name, timestamp, step, metrics FROM metrics ORDER BY id LIMIT ?"
_Point = tuple[float, float, float]


def is_database(name: str) -> bool:
    """Whether a file may be a project's, by its path."""
    return name.endswith(".db") and name.rpartition("/")[2] != mlflow_store.DATABASE


def read(folder: Path, name: str) -> RunMetrics:
    """The metrics in a database. Of several runs, the last one that has a metric counts."""
    rows, problems = sqlite_tables.read(folder, name, _QUERY)
    points: dict[str, tuple[object, list[_Point]]] = {}
    for run, written, step, text in rows:
        time = _seconds(written)
        for metric, value in _values(text).items():
            if points.get(metric, (run, []))[0] != run:
                del points[metric]
            listed = points.setdefault(metric, (run, []))[1]
            listed.append((metric_values.value_of(step) or 0.0, value, time))
    series = {metric: _series(listed, name) for metric, (_, listed) in points.items()}
    return run_metrics.of_series(series, problems if _NAME in name else ())


def _values(written: object) -> Mapping[str, float]:
    """The numbers of an entry by their names; those of an inner object are named OUTER/INNER."""
    text = written.decode("utf-8", "replace") if isinstance(written, bytes) else written
    entry = json_records.lenient(text) if isinstance(text, str) else None
    return dict(_flat(entry)) if isinstance(entry, dict) else {}


def _flat(entry: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """A table, an image or a histogram is an object with a type, and no metric."""
    found: list[tuple[str, float]] = []
    todo: list[tuple[str, Any]] = list(entry.items())[::-1]
    while todo:
        name, value = todo.pop()
        number = metric_values.value_of(value)
        if number is not None:
            found.append((unicode_text(name), number))
        elif isinstance(value, dict) and "_type" not in value:
            todo += reversed([(f"{name}/{key}", inner) for key, inner in value.items()])
    return found


def _seconds(written: object) -> float:
    try:
        return datetime.fromisoformat(str(written)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _series(points: Sequence[_Point], source: str) -> Series:
    steps, values, times = zip(*points, strict=True)
    return Series(values, steps, (), times, source)
