"""Compare what each backend would run, fact by fact."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..model.experiment_paths import JOB_FILE
from ..parity import columns
from ..parity.facts import NOT_COMPARED, ROWS, Parity
from ..util import console
from ..util.printable import one_line, printable, raw
from ..workspace import loader

EXAMPLES = """Each backend is compared with Azure ML. A path that only one backend has is replaced by its name in
the job: ${{inputs.data}}, <code>. An unexplained difference (an argument that was changed in
launch.json alone, another Dockerfile in devcontainer.json) makes the exit code 1.

examples:
  loop parity digit_recognition
  loop parity                       every experiment
  loop parity digit_recognition --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--file", help=f"the job file (default: {JOB_FILE})")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    names = list(workspace.experiments)
    if args.experiment is not None:
        names = [loader.choose_experiment(workspace, args.experiment, args.cwd).name]
    parities: list[Parity] = []
    for name in names:
        experiment = loader.open_experiment(workspace, name)
        job = loader.open_job(workspace, experiment, args.file)
        parities += columns.parity_of_job(workspace, experiment, job)
    if args.json:
        console.print_json([parity.json() for parity in parities])
    else:
        for parity in parities:
            _show(parity)
        print(f"not compared: {NOT_COMPARED}")
    return 1 if any(parity.unexplained for parity in parities) else 0


def _show(parity: Parity) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Nothing is wrapped for a file or a pipe.
    console = Console(
        file=raw(sys.stdout), width=None if sys.stdout.isatty() else 10_000, highlight=False
    )
    present = [column for column in parity.columns if not column.absent]
    differing = {
        (difference.row, difference.backend): difference for difference in parity.differences
    }
    table = Table(
        title=Text(one_line(parity.experiment), style="table.title"),
        title_justify="left",
        box=None,
        header_style="bold",
    )
    table.add_column("", no_wrap=True)
    for column in present:
        table.add_column(Text(one_line(column.backend)), overflow="fold")
    for row in ROWS:
        cells: list[Any] = [Text(row, style="bold")]
        if row not in present[0].facts:
            continue
        for column in present:
            fact = column.facts.get(row)
            if fact is None:
                cells.append(Text(""))
                continue
            difference = differing.get((row, column.backend))
            if column.backend == parity.reference:
                cells.append(Text(printable(fact.value)))
            elif difference is None:
                cells.append(Text("the same", style="green"))
            else:
                style = "yellow" if difference.why else "bold red"
                cells.append(
                    Text(f"{'~' if difference.why else '!'} {printable(fact.value)}", style=style)
                )
        table.add_row(*cells)
    console.print(table)
    _explain(parity)


def _explain(parity: Parity) -> None:
    reasons: dict[tuple[str, str], list[str]] = {}
    for difference in parity.differences:
        key = (difference.row, difference.why)
        reasons.setdefault(key, []).append(difference.backend)
    for (row, why), backends in reasons.items():
        sign, text = ("~", why) if why else ("!", "unexplained")
        print(f"{sign} {row} in {', '.join(backends)}: {text}")
    for column in parity.columns:
        if column.absent:
            print(f"- {column.backend}: {column.absent}")
    print()
