"""Updates the generated files; what a person wrote in them stays."""

from __future__ import annotations

import argparse
import os
import posixpath
import sys
from typing import Literal

from .. import __version__
from ..scaffold import git_ignored
from ..sync import engine, tool_files, transaction
from ..util import change_folder, diffs, process
from ..util.console import say
from ..util.errors import UsageError, UserError
from ..workspace.root import typed_below

EXAMPLES = """examples:
  loop sync
  loop sync --check      changes nothing; exit code 1 if a sync would change something
  loop sync --diff       shows what would change
  loop sync --keep '.vscode/launch.json:configurations["line: train.py"].args'
                         resolves a conflict: yours stays (--take: the generated value)
  loop sync --take .github/workflows/train-digits.yml:.
                         the same for a text file; also generates a file that you deleted
  loop sync --take .vscode/tasks.json:.
                         adds what sync generates to a file that you had before
  loop sync --eject .vscode/settings.json
                         the file is yours from now on (--take FILE:. undoes this)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 if a sync would"
    )
    parser.add_argument("--diff", action="store_true", help="show the changes, make none")
    parser.add_argument(
        "--take", metavar="FILE:PATH", help="resolve a conflict: the generated value"
    )
    parser.add_argument("--keep", metavar="FILE:PATH", help="resolve a conflict: your value")
    parser.add_argument("--eject", metavar="FILE", help="take a file over: sync leaves it alone")


def run(args: argparse.Namespace) -> int:
    dry = args.check or args.diff
    resolution = _resolution(args)
    if args.eject is not None:
        args.eject = _file(args, args.eject)
    pin = tool_files.settlement(args.root) if dry else engine.settle_tool_files(args.root)
    if pin is not None:
        _report_pin(pin, args, dry)
        if not dry and pin.version not in ("", __version__):
            return _again()
    if dry:
        outcome = engine.plan(args.root, resolution, args.eject)
    else:
        outcome = engine.sync(args.root, resolution, args.eject)
    lost = _lost(args, outcome) if args.check else []
    new = [] if dry else git_ignored.of_new(args.root, outcome.created)
    for line in (*outcome.problems, *outcome.notes, *lost, *new):
        say(line)
    if args.diff:
        for change in outcome.changes:
            sys.stdout.write(diffs.of(change.path, change.before, change.after))
    for change in outcome.changes:
        print(f"{'would ' * dry}{change.verb} {change.path}")
    if args.eject is not None and not dry:
        print(f"{args.eject} is yours from now on; --take '{args.eject}:.' undoes this")
        return 1 if outcome.problems else 0
    is_interrupted = dry and change_folder.is_pending(args.root)
    is_outdated = bool(outcome.changes) or outcome.state is not None or is_interrupted
    would = is_outdated or (dry and pin is not None)
    if is_interrupted and not outcome.changes:
        print("would undo or complete a command that was interrupted")
    elif is_outdated and not outcome.changes:
        print(f"{'would ' * dry}update {transaction.STATE} only: the files are up to date")
    elif not would and not outcome.problems and not lost:
        print("everything is up to date")
    return 1 if outcome.problems or lost or (args.check and would) else 0


def _lost(args: argparse.Namespace, outcome: engine.SyncOutcome) -> list[str]:
    """An error for each ignore rule by which git did not keep what sync generated elsewhere."""
    text = outcome.state if outcome.state is not None else transaction.state_text(args.root)
    state = transaction.parse_state(text)
    paths = sorted({*state.generated, *state.unknown})
    return [
        UserError(
            f"it was generated and is missing: {message}",
            code="generated-ignored",
            where=path,
            hint=f"`scripts/loop sync --take '{path}:.'` generates it again",
        ).report()
        for path, message in git_ignored.lost(args.root, paths).items()
    ]


def _report_pin(pin: tool_files.Settlement, args: argparse.Namespace, dry: bool) -> None:
    for change in pin.changes:
        if args.diff:
            sys.stdout.write(diffs.of(change.path, change.before, change.after))
        print(f"{'would ' * dry}{change.verb} {change.path}", flush=True)
    if not dry:
        for line in pin.notes():
            say(line)


def _again() -> int:
    """The same command in the version that is pinned now."""
    python = getattr(sys, "_base_executable", None) or sys.executable
    return process.exec_replace([python, *sys.argv])


def _resolution(args: argparse.Namespace) -> engine.Resolution | None:
    if not args.take and not args.keep:
        return None
    if args.take and args.keep:
        raise UsageError(
            "--take and --keep together",
            code="options-exclusive",
            hint="Resolve one conflict at a time",
        )
    word: Literal["take", "keep"] = "take" if args.take else "keep"
    text = args.take or args.keep
    file, colon, path = text.partition(":")
    if not colon or not path:
        raise UsageError(
            f"--{word} {text} has no path",
            code="file-path-invalid",
            hint="Write FILE:PATH, as sync printed it",
        )
    return engine.Resolution(word, _file(args, file), path)


def _file(args: argparse.Namespace, word: str) -> str:
    """A generated file by its path from the root; it may be given from the current folder."""
    here = os.path.join(args.cwd, word)
    if os.path.exists(here) and not os.path.exists(os.path.join(args.root, word)):
        word = typed_below(args.root, here) or os.path.relpath(here, args.root)
    elif os.path.isabs(word):
        word = typed_below(args.root, word) or os.path.relpath(word, args.root)
    return posixpath.normpath(word.replace("\\", "/"))
