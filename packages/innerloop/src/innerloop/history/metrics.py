"""A metric of a finished run, from the files that it wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..util import files
from ..util.errors import UserError
from . import json_metrics, recorder, written_metrics
from .run_metrics import RunMetrics

# Larger JSON files are not read (bytes).
_LARGEST = 5_000_000


def find(folder: Path, name: str) -> float | None:
    """The last value of a metric in a run's outputs, finite or not; None if it is not there.

    It is looked for where all metrics of a run are (see `written_metrics`), then in any other JSON
    file. "test/accuracy" is also found as "test.accuracy".
    """
    for metrics in _sources(folder):
        for one in _names(name):
            if one in metrics.scores:
                return metrics.scores[one]
    return None


def curve(folder: Path, name: str) -> tuple[float, ...]:
    """The values that a metric has had, in the order in which they were written; () if it has none.

    It is looked for where `find` looks. A program may still be writing.
    """
    for metrics in _sources(folder):
        for one in _names(name):
            if one in metrics.series:
                return metrics.series[one].values
    return ()


def _names(name: str) -> tuple[str, str]:
    return name, name.replace("/", ".")


def _sources(folder: Path) -> Iterator[RunMetrics]:
    yield written_metrics.read(folder)
    for path in _documents(folder):
        try:
            text = files.read_text(path)
        except UserError:
            continue  # not a text file
        is_lines = path.suffix == ".jsonl"
        yield json_metrics.read(None if is_lines else text, text if is_lines else None)


def _documents(folder: Path) -> list[Path]:
    """The JSON files of a run: metrics.json first, then by depth."""
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("mlruns", recorder.FOLDER)]
        paths += [Path(parent, name) for name in names if name.endswith((".json", ".jsonl"))]
    small = [path for path in paths if path.is_file() and path.stat().st_size <= _LARGEST]
    return sorted(small, key=lambda path: (path.stem != "metrics", len(path.parts), path.name))
