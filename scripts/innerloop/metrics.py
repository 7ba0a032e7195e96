"""The metric that a finished run reports, from what it wrote: a JSON file, or MLflow's files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import files

# Where a trial's MLflow keeps its metrics when nothing else is said: a folder below ./outputs.
TRACKING = {"MLFLOW_TRACKING_URI": "file:./outputs/mlruns"}
_LARGEST = 5_000_000


def find(folder: Path, name: str) -> float | None:
    """The last value of a metric that a run left in its outputs; None when it cannot be known.

    Looked for in MLflow's own files, then in metrics.json, then in any other JSON file (or the last
    line of a .jsonl), under its name or as a path of keys ("test/accuracy" or "test.accuracy").
    """
    for value in (*_of_mlflow(folder, name), *_of_json(folder, name)):
        return value
    return None


def _of_mlflow(folder: Path, name: str) -> Iterator[float]:
    """Each line is "timestamp value step"; the newest file is the last run's."""
    found = [path for path in folder.glob(f"mlruns/*/*/metrics/{_plain(name)}") if path.is_file()]
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
        lines = (files.read_text(path) or "").split("\n")
        values = [line.split()[1] for line in lines if len(line.split()) >= 2]
        if values and (number := _number(values[-1])) is not None:
            yield number


def _plain(name: str) -> str:
    """A metric's name holds no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _of_json(folder: Path, name: str) -> Iterator[float]:
    for path in _documents(folder):
        try:
            text = path.read_text("utf-8").strip()
            document = json.loads(text.splitlines()[-1] if path.suffix == ".jsonl" else text)
        except (OSError, ValueError, IndexError):
            continue  # a file of somebody else's
        if (value := _below(document, name)) is not None:
            yield value


def _documents(folder: Path) -> list[Path]:
    """The JSON files of a run, metrics.json first, those further up before those below."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one != "mlruns")
        found += [Path(parent, one) for one in names if one.endswith((".json", ".jsonl"))]
    small = [path for path in found if path.stat().st_size <= _LARGEST]
    return sorted(small, key=lambda path: (path.name != "metrics.json", len(path.parts), path.name))


def _below(document: Any, name: str) -> float | None:
    """The number at a name; of a list the last one."""
    if not isinstance(document, dict):
        return None
    if name in document:
        return _number(document[name])
    for sign in ("/", "."):
        first, found, rest = name.partition(sign)
        if found and first in document:
            return _below(document[first], rest)
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, list) and value:
        return _number(value[-1])
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
