"""The values that the page of runs shows, as JSON: rows, curves with few enough points, columns.

JSON has no NaN: a value that is not finite is the text "nan", "inf" or "-inf" here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from ..util.json_records import unicode_text
from ..util.quick_dataclasses import dataclass
from . import metric_values, past_runs, run_diff
from .past_runs import PastRun
from .run_metrics import Series

# A curve with more points is shown with some of them left out.
MOST_POINTS = 1000
# All curves of a page together have about so many points, and a curve at least so many.
PAGE_POINTS, FEWEST_POINTS = 200_000, 40
# On a page with more runs only so many, the newest, come with all that they have.
MOST_WHOLE = 40
# So many scores are columns of the table.
MOST_SCORES = 4
# The states that are marked, by their beginning.
BAD = ("failed", "killed", "canceled", "unreadable")


def entry(run: PastRun, system: Mapping[str, Series], points: int = MOST_POINTS) -> dict[str, Any]:
    """What the page shows of a run.

    `system` is the load of its machine; `points` is the most of a curve, 0 for the names alone.
    """
    every = (*run.series.values(), *system.values())
    axes = _Axes()
    value = {
        "folder": run.folder,
        "id": run.id,
        "experiment": run.experiment,
        "state": run.state,
        "bad": run.state.startswith(BAD),
        "alive": run.alive,
        "started": _seconds_of(run.record.get("started")),
        "seconds": run.seconds,
        "backend": run.backend,
        "code": run.commit,
        "command": str(run.record.get("command") or ""),
        "inputs": run.inputs,
        "scores": {name: number(score) for name, score in run.scores.items()},
        "diverged": past_runs.divergence(run),
        "problems": list(run.problems),
        "tags": list(run.tags),
        "note": run.note,
        "facts": _facts(run),
        "names": list(run.series),
        "curves": _curves(run.series, points, axes),
        "system": _curves(system, points, axes),
        "axes": axes.values,
        "thinned": points < MOST_POINTS and any(len(one.values) > points for one in every),
    }
    shown: dict[str, Any] = safe(value)
    return shown


def points_of_each(runs: int) -> int:
    """The points that a run's curves together have on a page with so many runs."""
    return PAGE_POINTS // max(runs, 1)


def points_of_curve(run: PastRun, budget: int) -> int:
    """The most points of a curve of a run whose curves together have about `budget`."""
    return min(MOST_POINTS, max(FEWEST_POINTS, budget // max(len(run.series), 1)))


def columns(runs: Sequence[PastRun]) -> dict[str, list[str]]:
    """The names of the scores and of the inputs that have a column."""
    names = {
        "scores": past_runs.headline_metrics(runs, MOST_SCORES),
        "inputs": past_runs.differing_inputs(runs),
    }
    return {kind: list(map(unicode_text, found)) for kind, found in names.items()}


def number(value: float, digits: int = 7) -> float | str:
    """The value with so many digits (a chart shows no more than seven), or its word."""
    if not math.isfinite(value):
        return metric_values.short(value, 1)
    return float(f"{value:.{digits}g}")


def thinned(values: Sequence[float], most: int) -> list[int]:
    """The indices of about `most` values that stand for all.

    Of each stretch these are its least and its greatest value, and where it stops being finite, so
    that no spike and no NaN is lost; the first and the last value are there too.
    """
    count = len(values)
    if count <= most:
        return list(range(count))
    stretch = math.ceil(count / max(most // 2, 1))
    indices = {0, count - 1}
    for start in range(0, count, stretch):
        part = range(start, min(start + stretch, count))
        finite = [index for index in part if math.isfinite(values[index])]
        if finite:
            indices |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
        if len(finite) < len(part):
            indices.add(next(index for index in part if not math.isfinite(values[index])))
    return sorted(indices)


@dataclass(slots=True)
class _Axes:
    """The distinct coordinates of curves: most metrics of a run have the same ones."""

    values: list[dict[str, list[float | str]]] = field(default_factory=list)

    def index(self, axis: dict[str, list[float | str]]) -> int:
        if axis not in self.values:
            self.values.append(axis)
        return self.values.index(axis)


def _curves(all_series: Mapping[str, Series], points: int, axes: _Axes) -> dict[str, Any]:
    """The values of each series, and the index of its coordinates in `axes`."""
    curves: dict[str, Any] = {}
    for name, series in all_series.items() if points else ():
        indices = thinned(series.values, points)
        columns = {"step": series.steps, "epoch": series.epochs, "time": series.times}
        axis = {
            name: [number(column[index], 14 if name == "time" else 7) for index in indices]
            for name, column in columns.items()
            if column
        }
        curves[name] = {
            "y": [number(series.values[index]) for index in indices],
            "axis": axes.index(axis),
        }
    return curves


def _facts(run: PastRun) -> dict[str, dict[str, str]]:
    """What a comparison of two runs shows besides inputs and scores, by heading and name."""
    record = run.record
    git = record.get("git") or {}
    gpu = record.get("gpu")
    environment = {
        "image": record.get("image"),
        "environment": record.get("environment"),
        "backend": run.backend,
    }
    device = {
        "host": record.get("host"),
        "compute": record.get("compute"),
        "gpu": gpu.get("why") if isinstance(gpu, dict) else None,
    }
    code = {
        "commit": git.get("commit"),
        "branch": git.get("branch"),
        "not committed": ", ".join(_texts(git.get("changed"))),
        "command": record.get("command"),
    }
    data = run_diff.data_of(run) or {}
    groups: dict[str, Mapping[str, Any]] = {
        "environment": environment,
        "data": data,
        "device": device,
        "code": code,
    }
    return {
        heading: {name: str(value) for name, value in values.items() if value}
        for heading, values in groups.items()
    }


def _texts(value: object) -> Iterable[str]:
    return map(str, value) if isinstance(value, (list, tuple)) else ()


def _seconds_of(time: object) -> float | None:
    """The seconds since the epoch of a time as our records have it; None for anything else."""
    try:
        return datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def safe(value: Any) -> Any:
    """The value with text that a file can hold, and without numbers that JSON has not."""
    if isinstance(value, str):
        return unicode_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return number(value)
    if isinstance(value, dict):
        return {safe(str(key)): safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [safe(item) for item in value]
    return value
