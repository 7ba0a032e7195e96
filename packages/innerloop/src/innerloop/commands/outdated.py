"""List dev containers, images and image files that are older than their sources."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..apptainer import sif_staleness
from ..devcontainers import staleness
from ..docker import engine_location
from ..util import console
from ..workspace import loader

EXAMPLES = """examples:
  loop outdated                   a line for each, with the changes; nothing if all are current
  loop outdated digit_recognition
  loop outdated --check           the same; exit code 1 if something is outdated
  loop outdated --json

It changes nothing. A task runs it when the folder is opened, which also reports a switch of
branches.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--check", action="store_true", help="exit code 1 if something is outdated")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    names = workspace.experiments
    if args.experiment:
        names = (loader.choose_experiment(workspace, args.experiment, args.cwd).name,)
    reason = engine_location.unavailable_reason(workspace.root)
    if reason and not args.check:  # with --check, only what is outdated is printed
        console.say(f"{reason}: images and dev containers are not checked")
    outdated: list[staleness.Outdated] = []
    if not reason:
        outdated = [item for name in names for item in staleness.outdated(workspace, name)]
    for name in names:
        if changed := sif_staleness.changes(workspace, name):
            outdated.append(staleness.Outdated(name, "image file", tuple(changed)))
    if args.json:
        console.print_json([asdict(item) for item in outdated])
    else:
        for item in outdated:
            print(item.message())
    return 1 if outdated and args.check else 0
