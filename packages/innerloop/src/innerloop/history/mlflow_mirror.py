"""The runs of a workspace as a store that MLflow's pages show.

MLflow shows one store, and each run here has its own, or none. So a copy is made in
`.innerloop/mlflow/`, in the form of MLflow's folder of files: inputs are parameters, all metrics that
are read from any format are metrics, and the artifacts are the run's folder itself.

Source: MLflow, `mlflow/store/tracking/file_store.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from ..util import files, json_records
from ..util.errors import UserError
from . import past_runs
from .past_runs import PastRun
from .run_metrics import Series

FOLDER = ".innerloop/mlflow"
DIGEST = "tags/innerloop.digest"
# Longer values of parameters are refused by MLflow.
_LONGEST = 6000
_RUNNING, _FINISHED, _FAILED, _KILLED = 1, 3, 4, 5


def folder_of(root: Path, slug: str | None) -> Path:
    """The folder of the store of one experiment, or of all."""
    return root / FOLDER / (f"of-{slug}" if slug else "all")


def update(root: Path, slug: str | None) -> Path:
    """Bring the store in line with the runs, and return its folder. What has not changed stays."""
    store = folder_of(root, slug)
    wanted: dict[str, str] = {}
    for run in past_runs.find(root, slug):
        experiment = _number(run.experiment)
        place = f"{experiment}/{_key(run.folder)}"
        wanted |= {experiment: "", place: ""}
        _write(store / experiment, {"meta.yaml": _experiment(root, run)})
        texts = {name: text for name, text in _texts(root, run) if _is_safe(name)}
        digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
        if _read(store / place / DIGEST) != digest:
            files.remove_tree(store / place)
            _write(store / place, {**texts, DIGEST: digest})
    for name in _folders(store):
        if name not in wanted:
            files.remove_tree(store / name)
    files.make_folder(store)
    return store


def _folders(store: Path) -> list[str]:
    """The folders of experiments and runs in the store, the inner ones first."""
    found = [path for pattern in ("*/*", "*") for path in store.glob(pattern) if path.is_dir()]
    return [path.relative_to(store).as_posix() for path in found]


def _read(path: Path) -> str | None:
    try:
        return files.read_own(path)
    except UserError:
        return None


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files. One whose name another one has as its folder is left out."""
    for name, text in texts.items():
        if (folder / name).is_dir() or _read(folder / name) == text:
            continue
        with suppress(UserError):
            files.make_folder((folder / name).parent)
            files.write_stream(folder / name, [text.encode("utf-8")])


def _key(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:32]


def _number(experiment: str) -> str:
    """MLflow's IDs of experiments are numbers; 0 is its own."""
    return str(int(_key(experiment)[:12], 16) + 1)


def _experiment(root: Path, run: PastRun) -> str:
    location = (root / "outputs" / run.slug).as_uri()
    values: dict[str, object] = {
        "artifact_location": location,
        "creation_time": 0,
        "experiment_id": _number(run.experiment),
        "last_update_time": 0,
        "lifecycle_stage": "active",
        "name": run.experiment,
    }
    return _yaml(values)


def _texts(root: Path, run: PastRun) -> Iterator[tuple[str, str]]:
    """The files of a run, each with its text."""
    started = _milliseconds(run.record.get("started"))
    yield "meta.yaml", _meta(root, run, started)
    for name, value in run.inputs.items():
        yield f"params/{_plain(name)}", value[:_LONGEST]
    for name, series in run.series.items():
        yield f"metrics/{_plain(name)}", _lines(series, started)
    for name, score in run.scores.items():
        if name not in run.series:
            yield f"metrics/{_plain(name)}", f"{started} {score!r} 0\n"
    tags = {
        "mlflow.runName": run.id,
        "mlflow.note.content": run.note,
        "mlflow.source.name": str(run.record.get("command") or ""),
        "mlflow.source.git.commit": str((run.record.get("git") or {}).get("commit") or ""),
        "innerloop.state": run.state,
        "innerloop.backend": run.backend,
        "innerloop.tags": ", ".join(run.tags),
    }
    for name, value in tags.items():
        if value:
            yield f"tags/{name}", value


def _meta(root: Path, run: PastRun, started: int) -> str:
    status = _RUNNING if run.state in ("running", "waiting") else _KILLED
    status = _FINISHED if run.state == "done" else status
    status = _FAILED if run.state.startswith("failed") else status
    key = _key(run.folder)
    ended = _milliseconds(run.record.get("ended")) or None
    values: dict[str, object] = {
        "artifact_uri": (root / run.folder).as_uri(),
        "end_time": ended,
        "entry_point_name": "",
        "experiment_id": _number(run.experiment),
        "lifecycle_stage": "active",
        "run_id": key,
        "run_name": run.id,
        "run_uuid": key,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": started,
        "status": status,
        "tags": [],
        "user_id": "",
    }
    return _yaml(values)


def _yaml(values: Mapping[str, object]) -> str:
    """YAML in which every value is written as JSON, which YAML contains."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def _lines(series: Series, started: int) -> str:
    """The lines "milliseconds value step". A step that is no whole number becomes its place."""
    whole = all(step == int(step) for step in series.steps if abs(step) < 2**53)
    lines = []
    for at, value in enumerate(series.values):
        step = series.steps[at]
        number = int(step) if whole and abs(step) < 2**53 else at
        time = series.times[at] if series.times else 0.0
        clock = int(time * 1000) if 0 < time < 1e11 else started + at
        lines.append(f"{clock} {value!r} {number}\n")
    return "".join(lines)


def _milliseconds(text: object) -> int:
    """A time as records have it, in milliseconds since the epoch; 0 for anything else."""
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return int(time.astimezone(timezone.utc).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return 0


def _plain(name: str) -> str:
    """A name with the letters that MLflow and every file system allow."""
    parts = [re.sub(r"[^\w .-]", "_", part).strip(" .") for part in name.split("/")]
    return "/".join(filter(None, parts)) or "_"


def _is_safe(name: str) -> bool:
    return json_records.is_path_inside(name)
