"""The runs of this workspace as values: the record of each, and the scores and curves it wrote.

A run is a folder `outputs/<slug>/<run>/`. A pipeline's step or a sweep's trial is a run as well, in a
folder below that. Its record is `.run/run.json` (see `recorder`). Its metrics are what the program
wrote to `./outputs`, in one or both of

    metrics.json     scores by name; a list of mappings is a curve, with an entry per step
    metrics.jsonl    curves while they grow: one JSON object per line, for one epoch or step each
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..util import files, process_identity
from ..util.errors import UsageError
from .recorder import LOG, RECORD

Curve = tuple[tuple[float, float], ...]
# The keys that number the entries of a curve; the first that exists counts.
STEPS = ("step", "epoch", "iteration", "batch")
# Words in the names of the scores that people look for first, in this order.
HEADLINES = (
    "accuracy", "acc", "f1", "auc", "precision", "recall", "r2", "score", "bleu", "iou",
    "loss", "error", "rmse", "mae", "mse", "perplexity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was recorded.

    `record` is the content of run.json (empty for an older run without one); `scores` are by name,
    `curves` by name as (step, value) pairs in order; `folder` is relative to the workspace's root.
    `alive`: its process or its container still runs on this machine. `unknown`: whether it runs
    cannot be seen from here.
    """

    slug: str
    id: str
    folder: str
    record: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    alive: bool = False
    unknown: bool = False

    @property
    def experiment(self) -> str:
        return str(self.record.get("experiment") or self.slug.replace(".", "/"))

    @property
    def backend(self) -> str:
        return str(self.record.get("backend") or "?")

    @property
    def state(self) -> str:
        """The run's state, in one or two words.

        One of "done", "failed (3)", "stopped", "running", "killed" (it ended without a record of
        its end), "unknown" (it runs elsewhere, or its engine does not answer), "?" (no record); for
        a submitted job that has not ended, the service's last status ("queued").
        """
        code = self.record.get("exit_code")
        if code is None and self.record.get("status"):
            status = str(self.record["status"]).lower()
            return {"completed": "done", "canceled": "stopped"}.get(status, status)
        if code is None:
            if self.alive or self.unknown:
                return "running" if self.alive else "unknown"
            return "killed" if self.record else "?"
        return {0: "done", 129: "stopped", 130: "stopped", 143: "stopped"}.get(
            code, f"failed ({code})"
        )

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
            "scores": dict(self.scores),
            "curves": {
                name: [list(point) for point in curve] for name, curve in self.curves.items()
            },
        }


def find(root: Path, slug: str | None = None) -> list[PastRun]:
    """The runs of one experiment or of all, the newest last."""
    outputs = root / "outputs"
    slugs = [slug] if slug else [folder.name for folder in _folders(outputs)]
    runs = [read(root, name, folder) for name in slugs for folder in _run_folders(outputs / name)]
    return sorted(
        (run for run in runs if run.record or run.scores or run.curves),
        key=lambda run: (str(run.record.get("started") or ""), run.id),
    )


def read(root: Path, slug: str, folder: Path) -> PastRun:
    record = _mapping(files.read_text(folder / RECORD))
    scores, curves = metrics_of(
        files.read_text(folder / "metrics.json"), files.read_text(folder / "metrics.jsonl")
    )
    return PastRun(
        slug=slug,
        id=str(record.get("run") or folder.name),
        folder=folder.relative_to(root).as_posix(),
        record=record,
        scores=scores,
        curves=curves,
        alive=(life := life_of(record)) == "alive",
        unknown=life == "elsewhere",
    )


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


def metrics_of(summary: str | None, lines: str | None) -> tuple[dict[str, float], dict[str, Curve]]:
    """Scores and curves from the texts of metrics.json and metrics.jsonl (None: no such file).

    Values that are not numbers, and incomplete lines, are ignored.
    """
    scores, curves = _from_summary(_mapping(summary))
    entries = [_mapping(line) for line in (lines or "").splitlines() if line.strip()]
    curves |= _curves([entry for entry in entries if entry])
    for name, curve in curves.items():
        scores.setdefault(name, curve[-1][1])
    return scores, curves


def headline_metrics(runs: Iterable[PastRun], most: int) -> list[str]:
    """The names of at most `most` scores to show.

    Scores that people look for first come first, and of these the test's before the others.
    """
    names = dict.fromkeys(name for run in runs for name in run.scores)

    def rank(name: str) -> tuple[int, int, int]:
        low = name.lower()
        kind = next((i for i, word in enumerate(HEADLINES) if word in low), len(HEADLINES))
        part = next((i for i, word in enumerate(("test", "val", "eval")) if word in low), 3)
        return kind, part, len(name)

    headlines = [name for name in names if rank(name)[0] < len(HEADLINES)] or list(names)
    return sorted(headlines, key=rank)[:most]


def differing_inputs(runs: Sequence[PastRun]) -> list[str]:
    """The names of the inputs that were not the same in all runs of an experiment."""
    differing: dict[str, None] = {}
    for experiment in dict.fromkeys(run.experiment for run in runs):
        inputs = [run.inputs for run in runs if run.experiment == experiment and run.record]
        for name in dict.fromkeys(name for values in inputs for name in values):
            if len({values.get(name) for values in inputs}) > 1:
                differing[name] = None
    return list(differing)


def _from_summary(summary: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Curve]]:
    scores: dict[str, float] = {}
    curves: dict[str, Curve] = {}
    for name, value in summary.items():
        if _is_number(value):
            scores[name] = float(value)
        elif isinstance(value, dict):
            scores |= {f"{name}.{key}": float(v) for key, v in value.items() if _is_number(v)}
        elif isinstance(value, list) and value and all(isinstance(e, dict) for e in value):
            curves |= _curves(value)
    return scores, curves


def _curves(entries: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    points: dict[str, list[tuple[float, float]]] = {}
    for number, entry in enumerate(entries, 1):
        step = next((entry[key] for key in STEPS if _is_number(entry.get(key))), number)
        for name, value in entry.items():
            if name not in STEPS and _is_number(value):
                points.setdefault(name, []).append((float(step), float(value)))
    return {name: tuple(curve) for name, curve in points.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


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
    return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
