"""Says which images and dev containers are older than the files they were made from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ..devcontainers import staleness
from ..docker import engine
from ..util import console
from ..workspace import loader

EXAMPLES = """examples:
  loop outdated                   a line for each, with what has changed since; nothing when all is well
  loop outdated digit_recognition
  loop outdated --check           the same; exit code 1 when something is stale
  loop outdated --json

It asks the engine a few short questions and changes nothing. A task runs it when the folder is
opened, so that a switch of branches is noticed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--check", action="store_true", help="exit 1 when something is stale")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    names = workspace.experiments
    if args.experiment:
        names = (loader.choose_experiment(workspace, args.experiment, args.cwd).name,)
    silence = engine.unavailable_reason()
    found = (
        [] if silence else [one for name in names for one in staleness.outdated(workspace, name)]
    )
    if silence and not args.check:  # with --check it speaks only when something is stale
        console.say(f"{silence}: images and dev containers are not looked at")
    if args.json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(one.message())
    return 1 if found and args.check else 0
