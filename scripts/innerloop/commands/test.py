"""The experiment's own pytest suite, in the experiment's environment with test tools."""

from __future__ import annotations

import argparse

from .. import loading, running
from ..places import PLACES

SUMMARY = "Runs the experiment's pytest suite in its environment."
EXAMPLES = """examples:
  loop test digit_recognition
  loop test digit_recognition -- -k step -x      the rest goes to pytest
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--place", choices=PLACES, default="auto", help="where (default: auto)")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    plan = running.plan_command(
        workspace, experiment, "python -m pytest", arguments=tuple(args.rest)
    )
    return running.carry_out(running.prepare(plan, args.place, dry=False, dev=True))
