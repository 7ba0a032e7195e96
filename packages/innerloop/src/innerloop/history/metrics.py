"""The metric that a finished run reports, from what it wrote: a JSON file, or MLflow's files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..util import files
from ..util.errors import UserError
from . import recorder
from .past_runs import metrics_of

_LARGEST = 5_000_000


def find(folder: Path, name: str) -> float | None:
    """The last value of a metric that a run left in its outputs; None when it cannot be known.

    Looked for in MLflow's own files, then in metrics.json and metrics.jsonl, then in any other JSON
    file, under its name; "test/accuracy" is "test.accuracy" there, too.
    """
    return next((value for value in (*_of_mlflow(folder, name), *_of_json(folder, name))), None)


def _of_mlflow(folder: Path, name: str) -> Iterator[float]:
    """Each line is "timestamp value step"; the newest file is the last run's."""
    found = [path for path in folder.glob(f"mlruns/*/*/metrics/{_plain(name)}") if path.is_file()]
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
        lines = [line.split() for line in (files.read_text(path) or "").splitlines()]
        for words in reversed([words for words in lines if len(words) >= 2]):
            try:
                yield float(words[1])
            except ValueError:
                continue


def _plain(name: str) -> str:
    """A metric's name holds no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _of_json(folder: Path, name: str) -> Iterator[float]:
    for path in _documents(folder):
        try:
            text = files.read_text(path)
        except UserError:
            continue  # a file of somebody else's
        is_lines = path.suffix == ".jsonl"
        scores, _ = metrics_of(None if is_lines else text, text if is_lines else None)
        for word in (name, name.replace("/", ".")):
            if word in scores:
                yield scores[word]


def _documents(folder: Path) -> list[Path]:
    """The JSON files of a run, metrics.json first, those further up before those below."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in ("mlruns", recorder.FOLDER)]
        found += [Path(parent, one) for one in names if one.endswith((".json", ".jsonl"))]
    small = [path for path in found if path.stat().st_size <= _LARGEST]
    return sorted(small, key=lambda path: (path.stem != "metrics", len(path.parts), path.name))
