"""A metric of a finished run, from the files that it wrote: JSON, or MLflow's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..util import files
from ..util.errors import UserError
from . import json_metrics, metric_values, recorder

# Larger JSON files are not read (bytes).
_LARGEST = 5_000_000


def find(folder: Path, name: str) -> float | None:
    """The last value of a metric in a run's outputs, finite or not; None if it is not there.

    Sources in this order: MLflow's own files, metrics.json and metrics.jsonl, any other JSON file. In
    JSON, "test/accuracy" is also found as "test.accuracy".
    """
    return next((value for value in (*_of_mlflow(folder, name), *_of_json(folder, name))), None)


def _of_mlflow(folder: Path, name: str) -> Iterator[float]:
    """Each line is "timestamp value step"; the newest file belongs to the last run."""
    pattern = f"mlruns/*/*/metrics/{_literal(name)}"
    paths = [path for path in folder.glob(pattern) if path.is_file()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            lines = [line.split() for line in (files.read_text(path) or "").splitlines()]
        except UserError:
            continue  # not a text file
        written = (metric_values.parsed(words[1]) for words in lines if len(words) >= 2)
        if values := [value for value in written if value is not None]:
            yield metric_values.last_of(values)


def _literal(name: str) -> str:
    """A pattern that matches the name itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _of_json(folder: Path, name: str) -> Iterator[float]:
    for path in _documents(folder):
        try:
            text = files.read_text(path)
        except UserError:
            continue  # not a text file
        is_lines = path.suffix == ".jsonl"
        scores = json_metrics.read(None if is_lines else text, text if is_lines else None).scores
        for key in (name, name.replace("/", ".")):
            if key in scores:
                yield scores[key]


def _documents(folder: Path) -> list[Path]:
    """The JSON files of a run: metrics.json first, then by depth."""
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("mlruns", recorder.FOLDER)]
        paths += [Path(parent, name) for name in names if name.endswith((".json", ".jsonl"))]
    small = [path for path in paths if path.is_file() and path.stat().st_size <= _LARGEST]
    return sorted(small, key=lambda path: (path.stem != "metrics", len(path.parts), path.name))
