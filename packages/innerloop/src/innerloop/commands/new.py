"""A new experiment, from the template or from another experiment, with its generated files."""

from __future__ import annotations

import argparse

from ..scaffold import create
from ..util.console import say
from ..util.errors import UsageError
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """The name is that of its folder under src/: lower-case letters, digits and single _.

examples:
  loop new churn                       from the template: a train.py that runs at once
  loop new digits_cnn --from digit_recognition
  loop new search/ranking              inside a domain's folder
  loop new churn --env uv              its packages in a pyproject.toml with a uv.lock
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="lower-case letters, digits and _; / for a domain"
    )
    parser.add_argument("--from", dest="source", metavar="EXP", help="copy this experiment")
    parser.add_argument(
        "--env",
        choices=("pip", "uv"),
        default="pip",
        help="how its packages are locked: requirements.txt (pip), or uv.lock",
    )


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    if args.source is not None and args.env != "pip":
        raise UsageError(
            "--env is for an experiment from the template: a copy has the environment of its source",
            code="option-not-applicable",
            hint="Omit --env, or --from",
        )
    source = None
    if args.source is not None:
        source = loader.choose_experiment(workspace, args.source, args.cwd).name
    outcome = create.create_experiment(workspace, args.name, source, with_uv=args.env == "uv")
    say(f"made src/{args.name}")
    for line in (*outcome.problems, *outcome.notes):
        say(line)
    print(localized(f"Run it: scripts/loop run {args.name}"))
    return 1 if outcome.problems else 0
