"""All metrics that a run wrote, in whichever format.

Where several sources have a metric of the same name, the first of these counts:

    1. MLflow's store (`mlruns/`, `mlflow.db`): what Azure ML reads, and a sweep compares trials by
    2. metrics.json and metrics.jsonl in `./outputs`
    3. the Hugging Face trainer's `trainer_state.json`
    4. Lightning's `metrics.csv`
    5. trackio's databases
    6. TensorBoard's event files

They are looked for in the run's folder with what the program left beside `./outputs`, but not in the
folders of steps and trials, which are runs of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..util import regular_files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import (
    event_files,
    growing_lines,
    json_metrics,
    mlflow_store,
    run_metrics,
    trackio_store,
    trainer_logs,
)
from .run_metrics import RunMetrics, Series

# Larger files of metrics are not read (bytes).
LARGEST = 32_000_000
# So many entries of a run's folder are looked at, and so deep.
MOST_ENTRIES, MOST_DEPTH = 20_000, 8
_UNSEEN = {".run", ".git", "__pycache__", "node_modules", ".venv"}


def read(folder: Path) -> RunMetrics:
    """The metrics of the run in a folder. Whatever its files contain, this raises nothing."""
    found = _find(folder)
    return run_metrics.merged(
        [
            *(mlflow_store.read_database(folder, name) for name in found.databases),
            *([mlflow_store.read_files(folder, found.mlflow)] if found.mlflow else []),
            _of_json(folder),
            _of_states(folder, found.states),
            _of_tables(folder, found.tables),
            *(trackio_store.read(folder, name) for name in found.projects),
            *([event_files.read(folder, found.events)] if found.events else []),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Files by their format, each relative to the run's folder with "/"."""

    databases: Sequence[str]
    mlflow: Sequence[str]
    states: Sequence[str]
    tables: Sequence[str]
    projects: Sequence[str]
    events: Sequence[str]


def _find(folder: Path) -> _Found:
    names = list(_walk(str(folder)))

    def those(fits: Callable[[str], object]) -> list[str]:
        return [name for name in names if fits(name)]

    return _Found(
        those(lambda name: name.rpartition("/")[2] == mlflow_store.DATABASE),
        those(mlflow_store.metric_of),
        those(lambda name: name.rpartition("/")[2] == trainer_logs.STATE),
        those(lambda name: name.rpartition("/")[2] == trainer_logs.TABLE),
        those(trackio_store.is_database),
        those(lambda name: event_files.is_event_file(name.rpartition("/")[2])),
    )


def _walk(root: str) -> Iterator[str]:
    """The files of a run, the steps and trials below it left out. No link is followed."""
    todo = [(root, "", 0)]
    left = MOST_ENTRIES
    while todo and left > 0:
        folder, prefix, depth = todo.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            listed = list(entries)
            left -= len(listed)
            if prefix and any(entry.name == ".run" for entry in listed):
                continue
            for entry in listed:
                if entry.is_dir(follow_symlinks=False):
                    if depth < MOST_DEPTH and entry.name not in _UNSEEN:
                        todo.append((entry.path, f"{prefix}{entry.name}/", depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    yield f"{prefix}{entry.name}"


def _of_json(folder: Path) -> RunMetrics:
    summary: str | None = None
    lines: Mapping[str, Series] = {}
    problems: list[str] = []
    try:
        summary = text_of(folder / json_metrics.SUMMARY)
    except UserError as error:
        problems.append(f"{json_metrics.SUMMARY}: {error.what}")
    try:
        lines = lines_of(folder / json_metrics.LINES, json_metrics.LINES)
    except UserError as error:
        problems.append(f"{json_metrics.LINES}: {error.what}")
    found = json_metrics.combined(summary, lines)
    return RunMetrics(found.scores, found.series, found.sources, tuple(problems))


def _of_states(folder: Path, names: Sequence[str]) -> RunMetrics:
    """The states of a trainer, that of the last step first: each checkpoint has one."""
    texts, problems = _texts(folder, names)
    states = [trainer_logs.read_state(text, name) for name, text in texts]
    states.sort(key=lambda state: -state[0])
    return run_metrics.merged([*(metrics for _, metrics in states), problems])


def _of_tables(folder: Path, names: Sequence[str]) -> RunMetrics:
    """The tables of a logger, the newest first: each `version_N/` has one."""

    def age(name: str) -> tuple[int, str]:
        try:
            return -(folder / name).stat().st_mtime_ns, name
        except OSError:
            return 0, name

    texts, problems = _texts(folder, sorted(names, key=age))
    tables = [trainer_logs.read_table(text, name) for name, text in texts]
    return run_metrics.merged([*tables, problems])


def _texts(folder: Path, names: Sequence[str]) -> tuple[list[tuple[str, str]], RunMetrics]:
    """The names and texts of files, and the problems with those that cannot be read."""
    texts, problems = [], []
    for name in names:
        try:
            if (text := text_of(folder / name)) is not None:
                texts.append((name, text))
        except UserError as error:
            problems.append(f"{name}: {error.what}")
    return texts, RunMetrics(problems=tuple(problems))


def text_of(path: Path) -> str | None:
    """The text of a program's own file: what is not UTF-8 in it is replaced. None if it is missing."""
    with _readable(path):
        return regular_files.read_bytes(path, LARGEST).decode("utf-8", "replace")
    return None


def lines_of(path: Path, source: str) -> Mapping[str, Series]:
    """The series in a file of JSON lines; empty if it is missing. `source` is its name in them."""
    with _readable(path):
        return growing_lines.read(path, source, LARGEST)
    return {}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A file that is missing is passed over; one that cannot be read is a UserError."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"it cannot be read: {reason}", code="file-error") from error
