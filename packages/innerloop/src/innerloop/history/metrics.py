"""A metric of a finished run, from the files that it wrote."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from ..util import files
from ..util.errors import UserError
from . import json_metrics, recorder, written_metrics

# Larger JSON files are not read (bytes).
_LARGEST = 5_000_000


def find(folder: Path, name: str) -> float | None:
    """The last value of a metric in a run's outputs, finite or not; None if it is not there.

    It is looked for where all metrics of a run are (see `written_metrics`), then in any other JSON
    file. "test/accuracy" is also found as "test.accuracy".
    """
    scores = written_metrics.read(folder).scores
    names = (name, name.replace("/", "."))
    found = (scores[one] for one in names if one in scores)
    return next(itertools.chain(found, _of_json(folder, name)), None)


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
