"""The values that the page of runs shows, as JSON: rows, curves with few enough points, columns.

JSON has no NaN: a value that is not finite is the text "nan", "inf" or "-inf" here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..util import json_records
from ..util.json_records import unicode_text
from . import metric_values, past_runs
from .past_runs import Curve, PastRun

# A curve with more points is shown with some of them left out.
MOST_POINTS = 1000
# All curves of a page together have about so many points, and a curve at least so many.
PAGE_POINTS, FEWEST_POINTS = 300_000, 40
# So many scores are columns of the table.
MOST_SCORES = 4
# The states that are marked, by their beginning.
BAD = ("failed", "killed", "canceled", "unreadable")


def entry(run: PastRun, system: Mapping[str, Curve], points: int = MOST_POINTS) -> dict[str, Any]:
    """What the page shows of a run.

    `system` are curves over the time in seconds since the epoch; `points` is the most of a curve.
    """
    curves = {name: _curve(curve, points) for name, curve in run.curves.items()}
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
        "facts": _facts(run),
        "curves": curves,
        "system": {name: _curve(curve, points) for name, curve in system.items()},
        "thinned": any(len(curve) > points for curve in (*run.curves.values(), *system.values())),
    }
    return safe(value)


def points_of_each(runs: int) -> int:
    """The points that a run's curves together have on a page with so many runs."""
    return PAGE_POINTS // max(runs, 1)


def points_of_curve(run: PastRun, budget: int) -> int:
    """The most points of a curve of a run whose curves together have about `budget`."""
    return min(MOST_POINTS, max(FEWEST_POINTS, budget // max(len(run.curves), 1)))


def columns(runs: Sequence[PastRun]) -> dict[str, list[str]]:
    """The names of the scores and of the inputs that have a column."""
    return safe(
        {
            "scores": past_runs.headline_metrics(runs, MOST_SCORES),
            "inputs": past_runs.differing_inputs(runs),
        }
    )


def number(value: float) -> float | str:
    """The value with seven digits, which is a difference that a chart can show; or its word."""
    if not math.isfinite(value):
        return metric_values.short(value, 1)
    return float(f"{value:.7g}")


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


def system_curves(text: str | None) -> dict[str, Curve]:
    """The curves of `.run/system.jsonl`: a JSON object per line, with "time" and numbers by name."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in (text or "").splitlines():
        values = json_records.lenient(line)
        if not isinstance(values, dict) or not json_records.is_number(time := values.get("time")):
            continue
        for name, written in values.items():
            if name != "time" and (value := metric_values.value_of(written)) is not None:
                curves.setdefault(unicode_text(name), []).append((float(str(time)), value))
    return {name: tuple(curve) for name, curve in curves.items()}


def _curve(curve: Curve, most: int) -> dict[str, Any]:
    values = [value for _, value in curve]
    indices = thinned(values, most)
    return {
        "step": [number(curve[index][0]) for index in indices],
        "y": [number(values[index]) for index in indices],
    }


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
    groups = {"environment": environment, "device": device, "code": code}
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
