"""The runs of this workspace as values: the record of each, and the scores and curves it wrote.

A run is a folder `outputs/<slug>/<run>/`. A pipeline's step or a sweep's trial is a run as well, in a
folder below that. Its record is `.run/run.json` (see `recorder`), what a person said of it is
`.run/notes.json`. Its metrics are what the program wrote: see `written_metrics`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..util import json_records, process_identity
from ..util.errors import UsageError
from ..util.json_records import Record, RecordError
from ..util.quick_dataclasses import dataclass
from . import metric_values, run_index, run_metrics, run_notes, written_metrics
from .later_series import LaterSeries
from .recorder import LOG, RECORD
from .run_metrics import Curve, Series
from .run_notes import NOTHING, RunNotes

# The state of a run whose record cannot be read.
UNREADABLE = "unreadable"
# A service's words for the end of a job, as ours.
WORDS_OF_SERVICES = {"completed": "done", "canceled": "stopped"}
# The keys of a record whose values are texts.
_TEXTS = (
    "experiment", "backend", "why", "command", "cwd", "image", "environment", "compute", "url",
    "status", "host", "started", "ended", "kind", "waiting", "ordered", "lost", "stopped_early",
)  # fmt: skip
# Words in the names of the scores that people look for first, in this order.
HEADLINES = (
    "accuracy", "acc", "f1", "auc", "precision", "recall", "r2", "score", "bleu", "iou",
    "loss", "error", "rmse", "mae", "mse", "perplexity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was recorded.

    `record` is the content of run.json (empty for an older run without one, and if it cannot be
    read); `scores` and `series` are by name, both with values that may be NaN or infinite (see
    `written_metrics`); `folder` is relative to the workspace's root; `id` is its name, for a step or
    a trial with its run's in front. `said` are tags and note of a person. `alive`: its process or its container still runs on this machine. `unknown`: whether it
    runs cannot be seen from here. `unreadable` says why the record cannot be read, `problems` which
    files cannot; they are empty for a run of which all can be read.
    """

    slug: str
    id: str
    folder: str
    record: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    said: RunNotes = NOTHING
    alive: bool = False
    unknown: bool = False
    unreadable: str = ""
    problems: tuple[str, ...] = ()

    @property
    def curves(self) -> dict[str, Curve]:
        """The series as (step, value) pairs in order."""
        return run_metrics.curves_of(self.series)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.said.tags

    @property
    def note(self) -> str:
        return self.said.note

    @property
    def experiment(self) -> str:
        return str(self.record.get("experiment") or self.slug.replace(".", "/"))

    @property
    def backend(self) -> str:
        return str(self.record.get("backend") or "?")

    @property
    def state(self) -> str:
        """The run's state, in one or two words.

        One of "done", "failed (3)", "stopped", "stopped early" (by its sweep), "waiting" (a detached run
        before its start), "running", "killed" (it ended without a record of
        its end), "unknown" (it runs elsewhere, or its engine does not answer), "?" (no record),
        "unreadable" (a record that cannot be read); for a submitted job that has not ended, the
        service's last status ("queued").
        """
        if self.unreadable:
            return UNREADABLE
        code = self.record.get("exit_code")
        if code is None and self.record.get("status"):
            status = str(self.record["status"]).lower()
            return WORDS_OF_SERVICES.get(status, status)
        if code is None:
            if self.alive or self.unknown:
                going = "waiting" if self.record.get("waiting") else "running"
                return going if self.alive else "unknown"
            return "killed" if self.record else "?"
        if code and self.record.get("stopped_early"):
            return "stopped early"
        return {0: "done", 129: "stopped", 130: "stopped", 143: "stopped"}.get(
            code, f"failed ({code})"
        )

    @property
    def seconds(self) -> float | None:
        return self.record.get("seconds")

    @property
    def inputs(self) -> dict[str, str]:
        """The inputs by name; the arguments that were appended to the command as "arguments"."""
        inputs = {str(k): str(v) for k, v in (self.record.get("inputs") or {}).items()}
        arguments = " ".join(map(str, self.record.get("arguments") or ()))
        return {**inputs, "arguments": arguments} if arguments else inputs

    @property
    def commit(self) -> str:
        """The first 8 digits of the commit, with "+" when something was not committed.

        It is "none" in a repository without a commit, "" without a repository.
        """
        git = self.record.get("git") or {}
        return (str(git.get("commit", ""))[:8] or "none" * bool(git)) + "+" * bool(git.get("dirty"))

    def json(self) -> dict[str, Any]:
        return {
            **self.record,
            "run": self.id,
            "experiment": self.experiment,
            "folder": self.folder,
            "state": self.state,
            **self.said.json(),
            **({"problems": list(self.problems)} if self.problems else {}),
            "headline": next(iter(headline_metrics([self], 1)), ""),
            "scores": dict(self.scores),
            "curves": {
                name: [list(point) for point in curve] for name, curve in self.curves.items()
            },
            "sources": {name: series.source for name, series in self.series.items()},
        }


def find(root: Path, slug: str | None = None) -> list[PastRun]:
    """The runs of one experiment or of all, the newest last."""
    slugs = [slug] if slug else [folder.name for folder in _folders(root / "outputs")]
    runs = run_index.read_all(root, slugs, read, _is_final, kept=partial(_kept, root))
    return in_order(run for run in runs if is_shown(run))


def run_folders(root: Path, slug: str | None = None) -> list[tuple[str, Path]]:
    """The folders that may be runs of one experiment or of all, each with its experiment's slug."""
    outputs = root / "outputs"
    slugs = [slug] if slug else [folder.name for folder in _folders(outputs)]
    return [(name, folder) for name in slugs for folder in _run_folders(outputs / name)]


def is_shown(run: PastRun) -> bool:
    """Whether there is anything of a run in its folder."""
    return bool(run.record or run.scores or run.series or run.problems)


def in_order(runs: Iterable[PastRun]) -> list[PastRun]:
    """The runs in the order of their start, the newest last."""
    return sorted(runs, key=lambda run: (str(run.record.get("started") or ""), run.id))


def _is_final(run: PastRun) -> bool:
    """Whether its files alone say what it is: no process of it is looked for."""
    return not is_open(run.record) and not run.problems


def _kept(root: Path, run: PastRun) -> PastRun:
    """A run as the index has it."""
    series = LaterSeries(str(root / run.folder), len(run.series)) if run.series else {}
    return replace(run, series=series)


def read(root: Path, slug: str, folder: Path) -> PastRun:
    """The run in a folder. Whatever its files contain, this raises nothing."""
    place = folder.relative_to(root).as_posix()
    problems: list[str] = []
    record: dict[str, Any] = {}
    unreadable = ""
    try:
        record = _record(folder)
    except RecordError as error:
        unreadable = str(error)
        problems.append(f"{place}/{RECORD}: {unreadable}")
    metrics = written_metrics.read(folder)
    problems += [f"{place}/{problem}" for problem in metrics.problems]
    said = NOTHING
    try:
        said = run_notes.read(folder)
    except RecordError as error:
        problems.append(f"{place}/{run_notes.PATH}: {error}")
    return PastRun(
        slug=slug,
        id=_id(root, slug, folder, record),
        folder=place,
        record=record,
        scores=metrics.scores,
        series=metrics.series,
        said=said,
        alive=(life := life_of(record)) == "alive",
        unknown=life == "elsewhere",
        unreadable=unreadable,
        problems=tuple(problems),
    )


def _id(root: Path, slug: str, folder: Path, record: Mapping[str, Any]) -> str:
    if folder.parent == root / "outputs" / slug:
        return folder.name
    prefix = f"{folder.parent.name}-"
    written = str(record.get("run") or "")
    return written if written.startswith(prefix) else prefix + folder.name


def _record(folder: Path) -> dict[str, Any]:
    """The content of run.json, each known key with its type; empty if there is no such file.

    Raises RecordError for any other content. Keys that are not known are kept.
    """
    file = json_records.read_file(folder / RECORD)
    if file is None:
        return {}
    known = {
        "run": file.as_name("run", None),
        **{key: file.as_str(key, None) for key in _TEXTS},
        **{key: file.as_int(key, None) for key in ("exit_code", "pid")},
        "seconds": file.as_number("seconds", None),
        "inputs": file.as_map_of("inputs", object, {}),
        "arguments": list(file.as_list_of("arguments", object, ())),
        "git": _git(file),
    }
    return {**file.value, **{key: value for key, value in known.items() if key in file.value}}


def _git(file: Record) -> Mapping[str, Any] | None:
    git = file.as_record("git", None)
    if git is not None:
        git.as_str("commit", None)
    return None if git is None else dict(git.value)


def matching(runs: Sequence[PastRun], word: str) -> list[PastRun]:
    """The runs whose ID begins with the word, or the one whose ID or folder it is."""
    exact = [run for run in runs if word in (run.id, run.folder) or word.rstrip("/") == run.folder]
    return exact or [run for run in runs if word and run.id.startswith(word)]


def choose(runs: Sequence[PastRun], word: str) -> PastRun:
    """The run that the person named. UsageError if it is none or several."""
    found = matching(runs, word)
    if len(found) == 1:
        return found[0]
    what = f'"{word}" is the beginning of {len(found)} runs' if found else (
        f'there is no run "{word}"'
    )  # fmt: skip
    raise UsageError(what, code="unknown-name", hint="`scripts/loop runs` lists them")


def log_of(root: Path, run: PastRun) -> Path:
    """The log of a run, also of one that was downloaded from Azure ML."""
    local = root / run.folder / LOG
    downloaded = root / run.folder / "user_logs" / "std_log.txt"
    return downloaded if downloaded.is_file() and not local.is_file() else local


def headline_metrics(runs: Iterable[PastRun], most: int) -> list[str]:
    """The names of at most `most` scores to show.

    Scores that people look for first come first, and of these the test's before the others.
    """
    return headline_names(dict.fromkeys(name for run in runs for name in run.scores), most)


def headline_names(names: Iterable[str], most: int) -> list[str]:
    """The same of names."""
    names = list(names)

    def rank(name: str) -> tuple[int, int, int]:
        low = name.lower()
        kind = next((i for i, word in enumerate(HEADLINES) if word in low), len(HEADLINES))
        part = next((i for i, word in enumerate(("test", "val", "eval")) if word in low), 3)
        return kind, part, len(name)

    headlines = [name for name in names if rank(name)[0] < len(HEADLINES)] or list(names)
    return sorted(headlines, key=rank)[:most]


def divergence(run: PastRun) -> str:
    """The metric by which a run diverged, with its value ("loss nan"); "" if it did not."""
    return divergence_in(run.scores)


def divergence_in(scores: Mapping[str, float]) -> str:
    """The same of scores.

    That is a loss, or the score that is shown first, which is no finite number at the end.
    """
    losses = [name for name in scores if "loss" in name.lower()]
    for name in (*losses, *headline_names(scores, 1)):
        if not math.isfinite(scores[name]):
            return f"{name} {metric_values.short(scores[name], 4)}"
    return ""


def differing_inputs(runs: Sequence[PastRun]) -> list[str]:
    """The names of the inputs that were not the same in all runs of an experiment."""
    differing: dict[str, None] = {}
    by_experiment: dict[str, list[dict[str, str]]] = {}
    for run in runs:
        inputs = by_experiment.setdefault(run.experiment, [])
        if run.record:
            inputs.append(run.inputs)
    for inputs in by_experiment.values():
        for name in dict.fromkeys(name for values in inputs for name in values):
            if len({values.get(name) for values in inputs}) > 1:
                differing[name] = None
    return list(differing)


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether the record is of a run on this machine and has no end."""
    ends = ("exit_code", "ended", "status")
    return bool(record.get("tool")) and all(record.get(key) is None for key in ends)


def life_of(record: Mapping[str, Any]) -> process_identity.Life:
    """Whether the command that watches the run, or the program itself, still runs here."""
    if not is_open(record):
        return "dead"
    identities = map(process_identity.parse, (record.get("tool"), record.get("program")))
    lives = {process_identity.life(one) for one in identities if one is not None}
    return "alive" if "alive" in lives else "elsewhere" if "elsewhere" in lives else "dead"


def _run_folders(folder: Path) -> list[Path]:
    """The folders of the runs, and of the steps and trials below them."""
    runs = _folders(folder)
    inner = [path for run in runs for path in _folders(run) if (path / RECORD).is_file()]
    return [*runs, *inner]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        entries = list(os.scandir(folder))
    except OSError:  # a folder that this user cannot read
        return []
    return sorted(Path(entry.path) for entry in entries if _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a cycle of links
        return False
