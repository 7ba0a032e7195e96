"""Another name for an experiment; everything that is called after it follows."""

from __future__ import annotations

import argparse
import sys

from ..scaffold import rename, residue
from ..workspace import loader

EXAMPLES = """What you wrote in its devcontainer.json and in .vscode goes along. Code is not searched for the
name; places of your own files that name the old folder are listed.

examples:
  loop rename churn churn_gbm
  loop rename churn shop/churn         into a domain's folder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="its name now")
    parser.add_argument("name", metavar="NAME", help="its name from now on")


def run(args: argparse.Namespace) -> int:
    if completed := rename.finish(args.root):
        _say(completed)
    workspace = loader.open_workspace(args.root)
    if completed and args.name in workspace.experiments:
        return 0
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    old = experiment.name
    docker = residue.in_docker(workspace, experiment)
    rename.require_at_rest(list(docker.running), old)
    outcome = rename.carry_out(workspace, old, args.name)
    print(f"src/{old} is src/{args.name} now")
    for change in outcome.changes:
        _say(f"{change.verb} {change.path}")
    for problem in (*outcome.problems, *outcome.notes):
        _say(problem)
    _say_mentions(rename.mentions(args.root, old), old)
    if docker.images:
        _say(f"its images still have the old name: docker rmi {' '.join(docker.images)}")
    return 1 if outcome.problems else 0


def _say_mentions(found: list[str], old: str) -> None:
    most = rename.MOST_MENTIONS
    for position in found[:most]:
        _say(f"{position}: this names src/{old} still")
    if len(found) > most:
        _say(f"... and {len(found) - most} places more")


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr)
