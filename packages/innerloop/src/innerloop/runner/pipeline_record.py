"""The record of a pipeline's run, `pipeline.json` in its folder.

It holds the state and the outputs of each step, from which a later run can go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..util import files
from ..util.errors import UserError, did_you_mean
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

    They are those of the run `from_run`, else of the newest run of this pipeline file.
    """
    runs = root / "outputs" / slug
    folder = _run_named(runs, from_run) if from_run else _newest(runs, pipeline)
    steps = _document(folder).get("steps") if folder else None
    return {
        name: str(step["outputs"])
        for name, step in (steps.items() if isinstance(steps, dict) else ())
        if name not in leaving_out
        and isinstance(step, dict)
        and step.get("state") in (DONE, KEPT)
        and (root / str(step.get("outputs"))).is_dir()
    }


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
    return next((path for path in folders if _document(path).get("pipeline") == pipeline), None)


def _pipeline_runs(runs: Path) -> list[Path]:
    """The runs of pipelines, the newest first: their names begin with the time of their start."""
    records = sorted(
        runs.glob(f"*/{RECORD}"),
        key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns),
        reverse=True,
    )
    return [path.parent for path in records]


def _document(folder: Path) -> dict[str, Any]:
    """The record in a run's folder; empty if it cannot be read."""
    try:
        document = json.loads(files.read_text(folder / RECORD) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


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
