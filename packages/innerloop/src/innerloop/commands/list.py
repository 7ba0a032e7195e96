"""List the experiments of this workspace, and the backends of each."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.run import Backend
from ..model.workspace import NONE_YET, Workspace
from ..remote import base
from ..util import console, tables
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """In a terminal, the table has what differs between the experiments; in a pipe, every column.

examples:
  loop list
  loop list --json        for a script
"""

SCHEDULE = "started at (UTC)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    backends = [*base.every(args.root)]  # once: it reads the settings for their machines
    rows = [_row(workspace, name, backends) for name in workspace.experiments]
    if args.json:
        console.print_json(rows)
    elif not rows:
        print(NONE_YET)
    else:
        _table(rows)
    return 1 if any(row["problem"] for row in rows) else 0


def _row(workspace: Workspace, name: str, backends: Sequence[Backend]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "experiment": name,
        "folder": workspace.paths_of(name).folder,
        "job": workspace.paths_of(name).job,
        "command": "",
        "gpu": "",
        "backends": [],
        "machines": [],
        "schedule": "",
        "problem": "",
    }
    try:
        experiment = loader.open_experiment(workspace, name)
        row["gpu"] = experiment.settings.gpu.text
        row["backends"] = [
            backend.name for backend in backends if backend.supports(workspace, experiment)
        ]
        row["machines"] = base.machines_of(experiment.settings.remote)
        job = loader.open_job(workspace, experiment)
        row["command"] = " ".join(job.command.split())
        if experiment.settings.schedule is not None:
            schedule = loader.open_schedule(workspace, experiment)
            row["schedule"] = f"{schedule.cron.text} ({', '.join(schedule.orchestrators)})"
    except UserError as error:
        row["problem"] = error.message()
    return row


def _table(rows: list[dict[str, Any]]) -> None:
    table, same = table_of(rows, brief=sys.stdout.isatty())
    left_out = tables.show(table)
    if same:
        print(f"the same for all: {same}")
    if left_out:
        print(f"columns without room: {', '.join(left_out)}; `loop list --json` has all")
    for row in rows:
        if row["problem"]:
            print(f"{row['experiment']}: {row['problem']}")


def table_of(rows: Sequence[Mapping[str, Any]], *, brief: bool) -> tuple[tables.Table, str]:
    """The table, and what is the same for all experiments as a text ("" if nothing is).

    `brief`: the table has what differs. A command names the inputs that it is given by their
    options alone, since both have one name in most jobs.
    """
    columns = {
        "runs in": [", ".join(row["backends"]) for row in rows],
        "gpu": [row["gpu"] for row in rows],
        SCHEDULE: [row["schedule"] for row in rows],
        "command": ["(cannot be read)" if row["problem"] else row["command"] for row in rows],
    }
    if not any(columns[SCHEDULE]):
        del columns[SCHEDULE]
    same: list[str] = []
    if brief:
        columns["command"] = [_short(command) for command in columns["command"]]
        if len(rows) > 1:
            for title in ("runs in", "gpu"):
                if len(texts := set(columns[title])) == 1:
                    del columns[title]
                    same += [f"{title} {text}" for text in texts if text]
    titles = ("experiment", *columns)
    cells = [[row["experiment"], *rest] for row, *rest in zip(rows, *columns.values(), strict=True)]
    table = tables.Table(titles, cells, spare=(SCHEDULE, "gpu", "runs in"), cuts=True)
    return table, "; ".join(same)


def _short(command: str) -> str:
    """The command without the values that the inputs of the same names give to options."""
    return re.sub(r"(--(?P<name>[\w-]+)[ =])\$\{\{\s*inputs\.(?P=name)\s*\}\}", _option, command)


def _option(match: re.Match[str]) -> str:
    return match[1][:-1]
