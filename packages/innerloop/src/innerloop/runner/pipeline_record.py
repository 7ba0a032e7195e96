"""The record of a pipeline's run, `pipeline.json` in its folder.

It holds the state and the outputs of each step, from which a later run can go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..util import files, json_records
from ..util.errors import UserError, did_you_mean
from ..util.json_records import RecordError
from .progress_table import DONE, KEPT

RECORD = "pipeline.json"


def write(
    folder: Path,
    root: Path,
    pipeline: str,
    steps: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, str],
) -> None:
    """Write the record.

    `steps` has the state of each step; `outputs` are the pipeline's own outputs that exist, as
    paths relative to the workspace's `root`; `folder` gets a link to each.
    """
    record = {"pipeline": pipeline, "steps": steps, "outputs": outputs}
    files.write_text(files.make_folder(folder) / RECORD, json.dumps(record, indent=2) + "\n")
    for name, path in outputs.items():
        _link_output(folder / name, root / path)


def kept(
    root: Path, slug: str, pipeline: str, from_run: str | None, leaving_out: Collection[str]
) -> dict[str, str]:
    """The folders of the steps that are done, by step and relative to the workspace.

    They are those of the run `from_run`, else of the newest run of this pipeline file whose record
    can be read. UserError if that of `from_run` cannot.
    """
    runs = root / "outputs" / slug
    folder = _run_named(runs, from_run) if from_run else _newest(runs, pipeline)
    if folder is None:
        return {}
    try:
        done = _steps_done(folder)
    except RecordError as error:
        raise UserError(
            f"this record of a run cannot be read: {error.what}",
            code="record-unreadable",
            where=error.position(f"outputs/{slug}/{folder.name}/{RECORD}"),
            hint="Name another run with --from-run, or run the whole pipeline",
        ) from error
    return {
        name: outputs
        for name, outputs in done.items()
        if name not in leaving_out and _is_folder_below(root / outputs, root / "outputs")
    }


def _steps_done(folder: Path) -> dict[str, str]:
    """The folder of the outputs of each step that is done, as the record has it."""
    record = json_records.read_file(folder / RECORD)
    steps = None if record is None else record.as_record("steps", None)
    done: dict[str, str] = {}
    if steps is None:
        return done
    for name in steps.value:
        step = steps.as_record(name)
        if step.as_str("state", "") in (DONE, KEPT):
            outputs = step.as_str("outputs")
            if not json_records.is_path_inside(outputs):
                step.fail("outputs", "is not a path below the workspace")
            done[name] = outputs
    return done


def _is_folder_below(path: Path, folder: Path) -> bool:
    """Whether it is a folder that, with its links resolved, is below another."""
    return path.is_dir() and path.resolve().is_relative_to(folder.resolve())


def _run_named(runs: Path, name: str) -> Path:
    name = os.path.basename(name.rstrip("/\\"))
    if (runs / name / RECORD).is_file():
        return runs / name
    known = [path.name for path in _pipeline_runs(runs)]
    raise UserError(
        f"there is no run {name} of a pipeline",
        code="run-unknown",
        where=f"outputs/{runs.name}",
        hint=did_you_mean(name, known) or "Run the whole pipeline first, without --from-run",
    )


def _newest(runs: Path, pipeline: str) -> Path | None:
    folders = _pipeline_runs(runs)
    return next((path for path in folders if _pipeline_of(path) == pipeline), None)


def _pipeline_runs(runs: Path) -> list[Path]:
    """The runs of pipelines, the newest first: their names begin with the time of their start."""
    records = sorted(
        runs.glob(f"*/{RECORD}"),
        key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns),
        reverse=True,
    )
    return [path.parent for path in records]


def _pipeline_of(folder: Path) -> str | None:
    """The pipeline file of a run; None if its record cannot be read."""
    try:
        record = json_records.read_file(folder / RECORD)
        if record is None:
            return None
        _steps_done(folder)
        return str(record.as_str("pipeline"))
    except RecordError:
        return None


def _link_output(link: Path, target: Path) -> None:
    """Make a relative link to a pipeline's output in the run's folder.

    If a step has that name, or the disk has no links, only `pipeline.json` says where the output
    is.
    """
    if os.path.lexists(link) or not target.exists():
        return
    try:
        files.make_link(link, os.path.relpath(target, link.parent))
    except UserError:
        return
