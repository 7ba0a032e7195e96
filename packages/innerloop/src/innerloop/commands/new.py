"""A new experiment, from the template or from another experiment, rendered at once."""

from __future__ import annotations

import argparse
import sys

from ..scaffold import create
from ..sync import engine
from ..util.errors import UserError
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
    create.make(workspace, args.name, source)
    print(f"innerloop: made src/{args.name}", file=sys.stderr)
    try:
        outcome = engine.sync(args.root)
    except UserError as mistake:
        hint = f"{mistake.hint}; then `scripts/loop sync` renders what belongs to it"
        raise UserError(mistake.what, where=mistake.where, hint=hint.lstrip("; ")) from mistake
    for problem in outcome.problems:
        print(f"innerloop: {problem}", file=sys.stderr)
    print(f"Run it: scripts/loop run {args.name}")
    return 1 if outcome.problems else 0
