"""Says which images and dev containers are older than the files they were made from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from .. import console, engine, loading
from ..containers import aging

SUMMARY = "Says which dev containers and images are older than what they were made from."
EXAMPLES = """examples:
  loop stale                   a line for each, with what has changed since; nothing when all is well
  loop stale digit_recognition
  loop stale --check           the same; exit code 1 when something is stale
  loop stale --json

It asks the engine a few short questions and changes nothing. A task runs it when the folder is
opened, so that a switch of branches is noticed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--check", action="store_true", help="exit 1 when something is stale")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    names = workspace.experiments
    if args.experiment:
        names = (loading.choose_experiment(workspace, args.experiment, args.cwd).name,)
    silence = engine.silence()
    found = [] if silence else [one for name in names for one in aging.stale(workspace, name)]
    if silence and not args.check:  # with --check it speaks only when something is stale
        console.say(f"{silence}: images and dev containers are not looked at")
    if args.json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(one.sentence())
    return 1 if found and args.check else 0
