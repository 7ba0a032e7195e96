"""Another name for an experiment; everything that is called after it follows."""

from __future__ import annotations

import argparse
import sys

from .. import loading
from ..experiments import leftovers, renaming

SUMMARY = "Gives an experiment another name; its job, links, outputs and rendered files follow."
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
    if completed := renaming.finish(args.root):
        _say(completed)
    workspace = loading.open_workspace(args.root)
    if completed and args.name in workspace.experiments:
        return 0
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    old = experiment.name
    docker = leftovers.in_docker(workspace, experiment)
    renaming.require_at_rest(list(docker.running), old)
    outcome = renaming.carry_out(workspace, old, args.name)
    print(f"src/{old} is src/{args.name} now")
    for change in outcome.changes:
        _say(f"{change.verb} {change.path}")
    for problem in (*outcome.problems, *outcome.notes):
        _say(problem)
    _say_mentions(renaming.mentions(args.root, old), old)
    if docker.images:
        _say(f"its images still have the old name: docker rmi {' '.join(docker.images)}")
    return 1 if outcome.problems else 0


def _say_mentions(found: list[str], old: str) -> None:
    most = renaming.MOST_MENTIONS
    for place in found[:most]:
        _say(f"{place}: this names src/{old} still")
    if len(found) > most:
        _say(f"... and {len(found) - most} places more")


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr)
