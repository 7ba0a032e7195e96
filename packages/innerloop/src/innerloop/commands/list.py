"""List the experiments of this workspace, and the backends of each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..model.experiment import Experiment
from ..model.workspace import NONE_YET, Workspace
from ..remote import base
from ..util import console, tables
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop list
  loop list --json        for a script
"""

SCHEDULE = "started at (UTC)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    rows = [_row(workspace, name) for name in workspace.experiments]
    if args.json:
        console.print_json(rows)
    elif not rows:
        print(NONE_YET)
    else:
        _table(rows)
    return 1 if any(row["problem"] for row in rows) else 0


def _row(workspace: Workspace, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "experiment": name,
        "command": "",
        "gpu": "",
        "backends": [],
        "schedule": "",
        "problem": "",
    }
    try:
        experiment = loader.open_experiment(workspace, name)
        row["gpu"] = experiment.settings.gpu.text
        row["backends"] = _backends(workspace, experiment)
        job = loader.open_job(workspace, experiment)
        row["command"] = " ".join(job.command.split())
        if experiment.settings.schedule is not None:
            schedule = loader.open_schedule(workspace, experiment)
            row["schedule"] = f"{schedule.cron.text} ({', '.join(schedule.orchestrators)})"
    except UserError as error:
        row["problem"] = error.message()
    return row


def _backends(workspace: Workspace, experiment: Experiment) -> list[str]:
    root = Path(workspace.root)
    return [backend.name for backend in base.every(root) if backend.supports(workspace, experiment)]


def _table(rows: list[dict[str, Any]]) -> None:
    is_scheduled = any(row["schedule"] for row in rows)
    titles = ("experiment", "runs in", "gpu", *([SCHEDULE] if is_scheduled else []), "command")
    cells = [
        [
            row["experiment"],
            ", ".join(row["backends"]),
            row["gpu"],
            *([row["schedule"]] if is_scheduled else []),
            "(cannot be read)" if row["problem"] else row["command"],
        ]
        for row in rows
    ]
    tables.show(tables.Table(titles, cells, spare=(SCHEDULE, "gpu", "runs in"), cuts=True))
    for row in rows:
        if row["problem"]:
            print(f"{row['experiment']}: {row['problem']}")
