"""Another name for an experiment, with everything that is named after it."""

from __future__ import annotations

import argparse

from ..local import lost_runs
from ..scaffold import rename, residue
from ..util.console import say
from ..workspace import loader

EXAMPLES = """What you wrote in its devcontainer.json and in .vscode is kept. Code is not searched for the name;
positions in your own files that name the old folder are listed.

examples:
  loop rename churn churn_gbm
  loop rename churn shop/churn         into a domain's folder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="its present name")
    parser.add_argument("name", metavar="NAME", help="its new name")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    old = experiment.name
    docker = residue.docker_residue(workspace, experiment)
    outcome = rename.carry_out(
        workspace,
        old,
        args.name,
        check=lambda: lost_runs.require_idle(workspace, experiment),
    )
    is_declared = old in workspace.declared
    print(
        f"renamed {old} to {args.name}" if is_declared else f"renamed src/{old} to src/{args.name}"
    )
    for line in outcome.report():
        say(line)
    if not is_declared:
        _list_mentions(rename.mentions(args.root, old), old)
    if docker.images:
        say(f"its images still have the old name: docker rmi {' '.join(docker.images)}")
    return 1 if outcome.problems else 0


def _list_mentions(positions: list[str], old: str) -> None:
    limit = rename.MAX_MENTIONS
    for position in positions[:limit]:
        say(f"{position}: this still names src/{old}")
    if len(positions) > limit:
        say(f"... and {len(positions) - limit} more")
