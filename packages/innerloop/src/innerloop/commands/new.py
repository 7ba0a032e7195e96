"""A new experiment, from the template or from another experiment, rendered at once."""

from __future__ import annotations

import argparse
import sys

from .. import loading, syncing
from ..errors import Mistake
from ..experiments import making

SUMMARY = "Makes a new experiment and renders its files."
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
    workspace = loading.open_workspace(args.root)
    source = None
    if args.source is not None:
        source = loading.choose_experiment(workspace, args.source, args.cwd).name
    making.make(workspace, args.name, source)
    print(f"innerloop: made src/{args.name}", file=sys.stderr)
    try:
        outcome = syncing.sync(args.root)
    except Mistake as mistake:
        mend = f"{mistake.mend}; then `scripts/loop sync` renders what belongs to it"
        raise Mistake(mistake.what, where=mistake.where, mend=mend.lstrip("; ")) from mistake
    for problem in outcome.problems:
        print(f"innerloop: {problem}", file=sys.stderr)
    print(f"Run it: scripts/loop run {args.name}")
    return 1 if outcome.problems else 0
