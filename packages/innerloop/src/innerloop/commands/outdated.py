"""List dev containers, images, image files and generated files older than their sources."""

from __future__ import annotations

import argparse
from collections.abc import Sequence, Set
from dataclasses import asdict
from pathlib import Path

from ..apptainer import sif_staleness
from ..devcontainers import staleness
from ..docker import engine_location
from ..sync.render.vscode_tasks import BUILD, MORE
from ..util import console
from ..workspace import loader

EXAMPLES = """examples:
  loop outdated                   a line for each, with the changes; nothing if all are current
  loop outdated digit_recognition
  loop outdated --check           the same; exit code 1 if something is outdated
  loop outdated --check --files   generated files, too
  loop outdated --json

It changes nothing. A task runs it when the folder is opened, which also reports a switch of
branches.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--check", action="store_true", help="exit code 1 if something is outdated")
    parser.add_argument(
        "--files", action="store_true", help="generated files that a sync would change, too"
    )
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
    files = _files(args.root) if args.files else ()
    if args.json:
        rows = [{**asdict(item), "update": item.update} for item in outdated]
        generated = {"experiment": "", "kind": "files", "changed": files, "update": ("sync",)}
        rows += [generated] if files else []
        console.print_json(rows)
    else:
        for item in outdated:
            print(item.message())
        if files:
            print(f"generated files are outdated: {_few(files)} (update: `scripts/loop sync`)")
        if args.files and (files or outdated):
            print(f"In VS Code: {' and '.join(tasks_for({item.kind for item in outdated}, files))}")
    return 1 if (outdated or files) and args.check else 0


def tasks_for(kinds: Set[str], files: Sequence[str]) -> list[str]:
    """The tasks of VS Code that update these kinds of outdated things, and what each is for."""
    tasks = [f'the task "{BUILD}" with a file of it open'] if "image" in kinds else []
    if files or kinds - {"image"}:
        tasks.append(f'the task "{MORE}" has the other commands' if tasks else f'the task "{MORE}"')
    return tasks


def _files(root: Path) -> tuple[str, ...]:
    """The generated files that a sync would change, and the messages of what it cannot do."""
    from ..sync import engine as sync_engine

    outcome = sync_engine.plan(root)
    changed = tuple(change.path for change in outcome.changes)
    return (*changed, *outcome.problems)


def _few(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
