"""A new experiment, from the template or from another experiment, with its generated files."""

from __future__ import annotations

import argparse

from ..scaffold import create
from ..util.console import say
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """The name is that of its folder under src/: lower-case letters, digits and single _.

examples:
  loop new churn                       from the template: a train.py that runs at once
  loop new digits_cnn --from digit_recognition
  loop new search/ranking              inside a domain's folder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="lower-case letters, digits and _; / for a domain"
    )
    parser.add_argument("--from", dest="source", metavar="EXP", help="copy this experiment")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    source = None
    if args.source is not None:
        source = loader.choose_experiment(workspace, args.source, args.cwd).name
    outcome = create.create_experiment(workspace, args.name, source)
    say(f"made src/{args.name}")
    for line in (*outcome.problems, *outcome.notes):
        say(line)
    print(localized(f"Run it: scripts/loop run {args.name}"))
    return 1 if outcome.problems else 0
