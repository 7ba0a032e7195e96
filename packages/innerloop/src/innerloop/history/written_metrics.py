"""All metrics that a run wrote, in whichever format.

Where several files have a metric of the same name, the first of these counts:

    1. MLflow's store (`mlruns/`, `mlflow.db`): what Azure ML reads, and a sweep compares trials by
    2. metrics.json and metrics.jsonl
    3. the Hugging Face trainer's `trainer_state.json`
    4. Lightning's `metrics.csv`
    5. TensorBoard's event files

They are looked for in the run's folder with what the program left beside `./outputs`, but not in the
folders of steps and trials, which are runs of their own.
"""

from __future__ import annotations

from pathlib import Path

from ..util import regular_files
from ..util.errors import UserError
from . import json_metrics, run_metrics
from .run_metrics import RunMetrics

# Larger files of metrics are not read (bytes).
LARGEST = 32_000_000


def read(folder: Path) -> RunMetrics:
    """The metrics of the run in a folder. Whatever its files contain, this raises nothing."""
    return run_metrics.merged([_of_json(folder)])


def _of_json(folder: Path) -> RunMetrics:
    texts: list[str | None] = []
    problems: list[str] = []
    for name in (json_metrics.SUMMARY, json_metrics.LINES):
        try:
            texts.append(text_of(folder / name))
        except UserError as error:
            texts.append(None)
            problems.append(f"{name}: {error.what}")
    found = json_metrics.read(texts[0], texts[1])
    return RunMetrics(found.scores, found.series, found.sources, tuple(problems))


def text_of(path: Path) -> str | None:
    """The text of a program's own file: what is not UTF-8 in it is replaced. None if it is missing."""
    try:
        return regular_files.read_bytes(path, LARGEST).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"it cannot be read: {reason}", code="file-error") from error
