"""The experiments of this workspace, and where each can run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .. import loading, tables
from ..errors import Mistake
from ..places import inside
from ..spec.workspace import NONE_YET, Workspace

SUMMARY = "Shows the experiments, and where each can run."
EXAMPLES = """examples:
  loop list
  loop list --json        for a script
"""

SCHEDULE = "started at (UTC)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
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
        "places": [],
        "schedule": "",
        "problem": "",
    }
    try:
        experiment = loading.open_experiment(workspace, name)
        row["gpu"] = experiment.settings.gpu
        row["places"] = _places(workspace, name)
        job = loading.open_job(workspace, experiment)
        row["command"] = " ".join(job.command.split())
        if experiment.settings.schedule is not None:
            schedule = loading.open_schedule(workspace, experiment)
            row["schedule"] = f"{schedule.cron.text} ({', '.join(schedule.orchestrators)})"
    except Mistake as mistake:
        row["problem"] = mistake.sentence()
    return row


def _places(workspace: Workspace, name: str) -> list[str]:
    from pathlib import Path

    locked = Path(workspace.root, "src", name, "environment", "requirements.txt").is_file()
    here = ["inside"] if inside.experiment() == name else []
    return [*here, "docker", *(["venv"] if locked else []), "azureml"]


def _table(rows: list[dict[str, Any]]) -> None:
    is_scheduled = any(row["schedule"] for row in rows)
    titles = ("experiment", "runs in", "gpu", *([SCHEDULE] if is_scheduled else []), "command")
    cells = [
        [
            row["experiment"],
            ", ".join(row["places"]),
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
