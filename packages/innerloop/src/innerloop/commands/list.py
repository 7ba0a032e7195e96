"""The experiments of this workspace, and where each can run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..model.workspace import NONE_YET, Workspace
from ..util import tables
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
        print(json.dumps(rows, indent=2))
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
        row["gpu"] = experiment.settings.gpu
        row["backends"] = _backends(workspace, name)
        job = loader.open_job(workspace, experiment)
        row["command"] = " ".join(job.command.split())
        if experiment.settings.schedule is not None:
            schedule = loader.open_schedule(workspace, experiment)
            row["schedule"] = f"{schedule.cron.text} ({', '.join(schedule.orchestrators)})"
    except UserError as mistake:
        row["problem"] = mistake.message()
    return row


def _backends(workspace: Workspace, name: str) -> list[str]:
    from pathlib import Path

    locked = Path(workspace.root, "src", name, "environment", "requirements.txt").is_file()
    here = ["in-container"] if loader.current_experiment() == name else []
    return [*here, "docker", *(["venv"] if locked else []), "azureml"]


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
