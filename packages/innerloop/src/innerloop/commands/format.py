"""Black and import order over a person's own code."""

from __future__ import annotations

import argparse
import sys

from ..model.shared_code import COMMON
from ..scaffold import format
from ..workspace import loader

EXAMPLES = """The versions are those of scripts/locks/format.txt, the settings those of pyproject.toml: the
editor on saving, this command and CI agree.

examples:
  loop format                        src/, notebooks/ and tests/
  loop format digit_recognition      the experiment, and the common code it links to
  loop format --check                changes nothing; exit code 1 when something would change
  loop format --diff                 shows what would change
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of your code")
    parser.add_argument("--check", action="store_true", help="change nothing, say what would")
    parser.add_argument(
        "--diff", action="store_true", help="the same, as a diff that `git apply` takes"
    )


def run(args: argparse.Namespace) -> int:
    folders = _folders(args)
    if not folders:
        print("there is no code yet")
        return 0
    if args.check or args.diff:
        found = format.check(args.root, folders)
        if args.diff:
            print(format.difference(args.root, found), end="")
        for one in found:
            # A diff is for a program that applies it: then the findings are no part of it.
            print(one.message, file=sys.stderr if args.diff else sys.stdout)
        if not found:
            print("all is in order", file=sys.stderr if args.diff else sys.stdout)
        return 1 if found else 0
    changed, broken = format.write(args.root, folders)
    for path in changed:
        print(f"formatted {path}")
    for one in broken:
        print(one.message)
    if not changed and not broken:
        print("all is in order")
    return 1 if broken else 0


def _folders(args: argparse.Namespace) -> list[str]:
    if args.experiment is None:
        return [name for name in format.PERSONS if (args.root / name).is_dir()]
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    shared = {link.target for link in experiment.links if link.target.startswith(f"{COMMON}/")}
    return [experiment.folder, *sorted(shared)]
