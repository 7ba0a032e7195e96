"""The record of a sweep's trials, `trials.json` in its folder, as a later command reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..util import json_records
from ..util.json_records import RecordError
from .progress_table import DONE

RECORD = "trials.json"


def is_sweep(folder: Path) -> bool:
    """Whether the runs in a folder are the trials of a sweep."""
    return (folder / RECORD).is_file()


def may_stand_for_sweep(folder: Path, trial: str) -> bool:
    """Whether a trial's outputs may be taken as its sweep's.

    That is the best trial's, or any where no trial has a metric to compare them by. It is none of a
    sweep whose record cannot be read.
    """
    try:
        record = json_records.read_file(folder / RECORD)
        if record is None:
            return True
        trials = record.as_list_of("trials", dict)
        best = record.as_str("best", None) or _best(trials, record.as_str("goal", None))
    except RecordError:
        return False
    if best is None:
        return not any(entry.get("diverged") for entry in trials)
    return bool(best.rpartition(".")[2] == trial)  # of a pipeline's step: STEP.trial-1


def _best(trials: Sequence[Mapping[str, Any]], goal: str | None) -> str | None:
    """The best trial of a record that does not name it: a version before wrote it, or it was killed."""
    scored = {
        str(entry.get("trial")): entry["metric"]
        for entry in trials
        if entry.get("state") == DONE and json_records.is_number(entry.get("metric"))
    }
    choose = max if goal == "maximize" else min
    return choose(scored, key=lambda name: scored[name], default=None)
