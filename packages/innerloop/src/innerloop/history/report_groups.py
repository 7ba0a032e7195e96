"""The sweeps and pipelines of a workspace, from the records in their folders.

`trials.json` and `pipeline.json` are read as a stranger's: a record that is not one is left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..util import json_records
from ..util.json_records import Record, RecordError
from . import report_data

# As `runner.sweep_record` and `runner.pipeline_record` write them.
TRIALS, PIPELINE = "trials.json", "pipeline.json"
# Most trials and steps that are shown.
MOST_PARTS = 2000

Group = Mapping[str, Any]


def folders(places: Sequence[Path]) -> list[Path]:
    """The folders that may have a group: those of runs, and those of the steps of pipelines."""
    found: list[Path] = []
    for place in places:
        found.append(place)
        if (place / PIPELINE).is_file():
            with suppress(OSError), os.scandir(place) as entries:
                steps = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
                found += map(Path, sorted(steps))
    return list(dict.fromkeys(found))


def read(root: Path, folder: Path) -> list[Group]:
    """What the folder of a run, or of a pipeline's step, is: a sweep, a pipeline, or nothing."""
    place = folder.relative_to(root).as_posix()
    groups = []
    for name, kind, parts in ((TRIALS, "sweep", _sweep), (PIPELINE, "pipeline", _pipeline)):
        try:
            record = json_records.read_file(folder / name)
            if record is not None:
                value = {"kind": kind, "folder": place, "experiment": _experiment(place)}
                groups.append(report_data.safe({**value, **parts(record)}))
        except RecordError:
            continue
    return groups


def _experiment(place: str) -> str:
    return place.split("/")[1].replace(".", "/")


def _sweep(record: Record) -> dict[str, Any]:
    trials = record.as_list_of("trials", dict)[:MOST_PARTS]
    return {
        "name": record.as_str("sweep", None) or "",
        "metric": record.as_str("metric", None) or "",
        "goal": record.as_str("goal", None) or "",
        "best": record.as_str("best", None) or "",
        "parts": [_trial(Record(trial)) for trial in trials],
    }


def _trial(trial: Record) -> dict[str, Any]:
    values = trial.as_map_of("values", object, {})
    return {
        "name": trial.as_str("trial"),
        "state": trial.as_str("state", None) or "",
        "values": {name: str(value) for name, value in values.items()},
        "metric": trial.as_number("metric", None),
        "diverged": trial.as_bool("diverged", False),
        "seconds": trial.as_number("seconds", None),
        "folder": trial.as_str("outputs", None) or "",
    }


def _pipeline(record: Record) -> dict[str, Any]:
    steps = record.as_record("steps")
    return {
        "name": record.as_str("pipeline", None) or "",
        "parts": [_step(name, steps.as_record(name)) for name in list(steps.value)[:MOST_PARTS]],
    }


def _step(name: str, step: Record) -> dict[str, Any]:
    return {
        "name": name,
        "state": step.as_str("state", None) or "",
        "needs": list(step.as_list_of("needs", str, ())),
        "seconds": step.as_number("seconds", None),
        "folder": step.as_str("outputs", None) or "",
    }
