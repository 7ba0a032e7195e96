"""Metrics in MLflow's stores: the folder `mlruns/`, and the database `mlflow.db`.

Source: MLflow, `mlflow/store/tracking/file_store.py` and `mlflow/store/tracking/dbmodels/models.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..util import regular_files
from ..util.errors import UserError
from ..util.json_records import unicode_text
from . import metric_values, run_metrics, sqlite_tables
from .run_metrics import RunMetrics, Series

FOLDER, DATABASE = "mlruns", "mlflow.db"
LARGEST = 32_000_000

# A NaN is stored as 0 with a mark. Where several runs have a metric, the one that began last counts.
_QUERY = """
SELECT m.key, m.value, m.is_nan, m.step, m.timestamp, m.run_uuid
FROM metrics AS m LEFT JOIN runs AS r ON r.run_uuid = m.run_uuid
ORDER BY r.start_time, m.run_uuid, m.step, m.timestamp LIMIT ?
"""
_Point = tuple[float, float, float]


def metric_of(name: str) -> str:
    """The metric that a file of a store has, by its path; "" for any other file.

    A run's folder is `mlruns/EXPERIMENT/RUN/`, its metrics are `metrics/NAME`.
    """
    parts = name.split("/")
    if FOLDER not in parts:
        return ""
    at = parts.index(FOLDER)
    is_metric = len(parts) > at + 4 and parts[at + 3] == "metrics"
    return unicode_text("/".join(parts[at + 4 :])) if is_metric else ""


def read_files(folder: Path, names: Sequence[str]) -> RunMetrics:
    """The metrics in files, named relative to the folder: of several of one metric, the newest's."""
    newest: dict[str, tuple[int, str]] = {}
    for name in names:
        try:
            changed = (folder / name).stat().st_mtime_ns
        except OSError:
            continue
        metric = metric_of(name)
        newest[metric] = max(newest.get(metric, (-1, "")), (changed, name))
    series: dict[str, Series] = {}
    problems = []
    for metric, (_, name) in newest.items():
        try:
            content = regular_files.read_bytes(folder / name, LARGEST, follow=False)
        except UserError as error:
            problems.append(f"{name}: {error.what}")
            continue
        except OSError:
            continue
        points = _lines(content.decode("utf-8", "replace"))
        if points:
            series[metric] = _series(points, name)
    return run_metrics.of_series(series, tuple(problems))


def _lines(text: str) -> list[_Point]:
    """Each line is "timestamp value step", an older one without a step."""
    points = []
    for number, line in enumerate(text.splitlines()):
        words = line.split()
        value = metric_values.parsed(words[1]) if len(words) >= 2 else None
        if value is not None:
            time, step = _number(words[0], 0.0), _number((words[2:] or [""])[0], float(number))
            points.append((step, value, time / 1000))
    return points


def _number(text: str, otherwise: float) -> float:
    try:
        number = float(text)
    except ValueError:
        return otherwise
    return number if abs(number) <= metric_values.LARGEST else otherwise


def _series(points: Sequence[_Point], source: str) -> Series:
    steps, values, times = zip(*points, strict=True)
    return Series(values, steps, (), times, source)


def read_database(folder: Path, name: str) -> RunMetrics:
    """The metrics in a database. Whatever the file contains, this raises nothing."""
    rows, problems = sqlite_tables.read(folder, name, _QUERY)
    return run_metrics.of_series(_of_rows(rows, name), problems)


def _of_rows(rows: sqlite_tables.Rows, name: str) -> dict[str, Series]:
    points: dict[str, tuple[object, list[_Point]]] = {}
    for key, value, is_nan, step, time, run in rows:
        number = metric_values.value_of(float("nan") if is_nan else value)
        if not isinstance(key, str) or number is None:
            continue
        if points.get(key, (run, []))[0] != run:
            del points[key]
        listed = points.setdefault(key, (run, []))[1]
        listed.append((_as_float(step), number, _as_float(time) / 1000))
    return {unicode_text(key): _series(listed, name) for key, (_, listed) in points.items()}


def _as_float(value: object) -> float:
    return metric_values.value_of(value) or 0.0
