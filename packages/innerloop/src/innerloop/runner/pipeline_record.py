"""What a pipeline's run has done so far, in its folder's `pipeline.json`: where the outputs of each
step are, so that a later run can keep them."""

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
    """`steps`: what is known of each; `outputs`: the pipeline's own that are made, as paths
    relative to `root`, the workspace's; each is found in `folder` under its name as well."""
    record = {"pipeline": pipeline, "steps": steps, "outputs": outputs}
    files.write_text(files.make_folder(folder) / RECORD, json.dumps(record, indent=2) + "\n")
    for name, path in outputs.items():
        _name_output(folder / name, root / path)


def kept(
    root: Path, slug: str, pipeline: str, from_run: str | None, leaving_out: Collection[str]
) -> dict[str, str]:
    """The folders of the steps that are done, by step and relative to the workspace: in the run
    named, else in the newest of this very file."""
    home = root / "outputs" / slug
    folder = _named(home, from_run) if from_run else _newest(home, pipeline)
    rows = _document(folder).get("steps") if folder else None
    return {
        name: str(row["outputs"])
        for name, row in (rows.items() if isinstance(rows, dict) else ())
        if name not in leaving_out
        and isinstance(row, dict)
        and row.get("state") in (DONE, KEPT)
        and (root / str(row.get("outputs"))).is_dir()
    }


def _named(home: Path, name: str) -> Path:
    name = os.path.basename(name.rstrip("/\\"))
    if (home / name / RECORD).is_file():
        return home / name
    known = [path.name for path in _runs(home)]
    raise UserError(
        f"there is no run {name} of a pipeline",
        where=f"outputs/{home.name}",
        hint=did_you_mean(name, known) or "Run the whole pipeline first, without --from-run",
    )


def _newest(home: Path, pipeline: str) -> Path | None:
    return next((path for path in _runs(home) if _document(path).get("pipeline") == pipeline), None)


def _runs(home: Path) -> list[Path]:
    """Runs of pipelines, the newest first: their names begin with the second they began in."""
    found = sorted(
        home.glob(f"*/{RECORD}"),
        key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns),
        reverse=True,
    )
    return [path.parent for path in found]


def _document(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(files.read_text(folder / RECORD) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _name_output(link: Path, target: Path) -> None:
    """The pipeline's output under its own name in the run's folder: a relative link. Where a
    step has that name, or links cannot be made, `pipeline.json` alone says where it is."""
    if os.path.lexists(link) or not target.exists():
        return
    try:
        files.make_link(link, os.path.relpath(target, link.parent))
    except UserError:
        return
