"""Brings the rendered files in line with src/."""

from __future__ import annotations

import argparse
import difflib
import sys

from .. import syncing

SUMMARY = "Brings .devcontainer and .vscode in line with src."
EXAMPLES = """examples:
  loop sync
  loop sync --check      changes nothing; exit code 1 when a sync would change something
  loop sync --diff       shows what would change
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 if a sync would"
    )
    parser.add_argument("--diff", action="store_true", help="show the changes, make none")


def run(args: argparse.Namespace) -> int:
    outcome = syncing.plan(args.root)
    for problem in outcome.problems:
        print(f"innerloop: {problem}", file=sys.stderr)
    if args.diff:
        sys.stdout.writelines(_diff(outcome))
    dry = args.check or args.diff
    if not dry:
        syncing.carry_out(args.root, outcome)
    for change in outcome.changes:
        print(f"{'would ' * dry}{change.verb} {change.path}")
    if not outcome.changes and not outcome.problems:
        print("everything is in line with src/")
    return 1 if outcome.problems or (args.check and outcome.changes) else 0


def _diff(outcome: syncing.Outcome) -> list[str]:
    return [
        line if line.endswith("\n") else line + "\n"
        for change in outcome.changes
        for line in difflib.unified_diff(
            (change.before or "").splitlines(keepends=True),
            (change.after or "").splitlines(keepends=True),
            f"a/{change.path}",
            f"b/{change.path}",
        )
    ]
