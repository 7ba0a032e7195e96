"""Brings the rendered files in line with src/; what a person wrote in them survives."""

from __future__ import annotations

import argparse
import os
import posixpath
import sys

from ..scaffold import rename
from ..sync import engine, transaction
from ..util import diffs
from ..util.errors import UsageError

EXAMPLES = """examples:
  loop sync
  loop sync --check      changes nothing; exit code 1 when a sync would change something
  loop sync --diff       shows what would change
  loop sync --keep '.vscode/launch.json:configurations["line: train.py"].args'
                         you changed it and it was rendered anew: yours stays (--take: the other)
  loop sync --take .github/workflows/train-digits.yml:.
                         the same for a file that is rendered whole, or that you deleted
  loop sync --eject .vscode/settings.json
                         the file is yours from now on (--take FILE:. has it rendered again)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 if a sync would"
    )
    parser.add_argument("--diff", action="store_true", help="show the changes, make none")
    parser.add_argument("--take", metavar="FILE:PATH", help="settle a clash: what is rendered")
    parser.add_argument("--keep", metavar="FILE:PATH", help="settle a clash: what you wrote")
    parser.add_argument("--eject", metavar="FILE", help="never render this file again")


def run(args: argparse.Namespace) -> int:
    dry = args.check or args.diff
    settle = _settle(args)
    if args.eject is not None:
        args.eject = _file(args, args.eject)
    if dry:
        outcome = engine.plan(args.root, settle, args.eject)
    else:
        if completed := rename.finish(args.root):
            print(f"innerloop: {completed}", file=sys.stderr)
        outcome = engine.sync(args.root, settle, args.eject)
    for line in (*outcome.problems, *outcome.notes):
        print(f"innerloop: {line}", file=sys.stderr)
    if args.diff:
        for change in outcome.changes:
            sys.stdout.write(diffs.of(change.path, change.before, change.after))
    for change in outcome.changes:
        print(f"{'would ' * dry}{change.verb} {change.path}")
    if args.eject is not None and not dry:
        print(f"{args.eject} is yours from now on; --take '{args.eject}:.' has it rendered again")
        return 1 if outcome.problems else 0
    would = bool(outcome.changes) or outcome.memory is not None
    if would and not outcome.changes:
        print(f"{'would ' * dry}update {transaction.MEMORY} alone: the files are in line with src/")
    elif not would and not outcome.problems:
        print("everything is in line with src/")
    return 1 if outcome.problems or (args.check and would) else 0


def _settle(args: argparse.Namespace) -> engine.Resolution | None:
    given = [(word, text) for word, text in (("take", args.take), ("keep", args.keep)) if text]
    if not given:
        return None
    if len(given) > 1:
        raise UsageError("--take and --keep together", hint="Settle one clash at a time")
    word, text = given[0]
    file, colon, path = text.partition(":")
    if not colon or not path:
        raise UsageError(
            f"--{word} {text} names no path", hint="Write FILE:PATH, as sync printed it"
        )
    return engine.Resolution(word, _file(args, file), path)


def _file(args: argparse.Namespace, word: str) -> str:
    """A rendered file as the memory names it: from the root, or from the folder that somebody is in."""
    there = os.path.join(args.cwd, word)
    if os.path.exists(there) and not os.path.exists(os.path.join(args.root, word)):
        word = os.path.relpath(os.path.abspath(there), args.root)
    elif os.path.isabs(word):
        word = os.path.relpath(word, args.root)
    return posixpath.normpath(word.replace("\\", "/"))
