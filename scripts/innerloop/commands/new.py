"""A new experiment, from the template or from another experiment, rendered at once."""

from __future__ import annotations

import argparse
import keyword
import os
import re
import sys
from pathlib import Path

from .. import files, loading, syncing
from ..errors import Mistake, WrongUse

SUMMARY = "Makes a new experiment and renders its files."
EXAMPLES = """examples:
  loop new churn                       from the template: a train.py without packages
  loop new digits_cnn --from digit_recognition
  loop new search/ranking              inside a domain's folder
"""

TEMPLATE = Path(__file__).resolve().parent.parent / "template"
PLACEHOLDER = "experiment_name_here"
LEFT_OUT = {"outputs", "logs", "__pycache__", ".pytest_cache", ".ipynb_checkpoints"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="lower-case letters, digits and _; / for a domain"
    )
    parser.add_argument("--from", dest="source", metavar="EXP", help="copy this experiment")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    check_name(args.name)
    folder = args.root / "src" / args.name
    if os.path.lexists(folder):
        raise Mistake(
            "there is something of that name already",
            where=f"src/{args.name}",
            mend="Choose another name; nothing was changed",
        )
    _refuse_nesting(args.root, args.name)
    if args.source is None:
        source, old = TEMPLATE, PLACEHOLDER
    else:
        old = loading.choose_experiment(workspace, args.source, args.cwd).name
        source = args.root / "src" / old
    _copy(args.root, source, folder, old, args.name)
    print(f"innerloop: made src/{args.name}", file=sys.stderr)
    outcome = syncing.sync(args.root)
    for problem in outcome.problems:
        print(f"innerloop: {problem}", file=sys.stderr)
    print(f"Run it: scripts/loop run {args.name}")
    return 1 if outcome.problems else 0


def check_name(name: str) -> None:
    """Every part must serve as a Python module, an image's name and an Azure ML name."""
    parts = name.split("/")
    for part in parts:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", part) or part.endswith("_") or "__" in part:
            suggestion = re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_")
            hint = (
                f'"{suggestion}" would do'
                if re.match(r"[a-z]", suggestion)
                else "Begin with a letter"
            )
            raise WrongUse(
                f'"{part}" is no name for an experiment (lower-case letters, digits and single _)',
                mend=hint,
            )
        if keyword.iskeyword(part) or part in sys.stdlib_module_names:
            raise WrongUse(f'"{part}" is a name of Python itself', mend=f'"{part}_model" would do')
    if parts[0] == "common":
        raise WrongUse("src/common is for code that experiments share", mend="Choose another name")
    if len(parts) > 3:
        raise WrongUse("a name has three parts at most", mend="Write domain/line, or just line")


def _refuse_nesting(root: Path, name: str) -> None:
    folder = root / "src" / name
    for parent in folder.parents:
        if parent == root / "src":
            return
        if (parent / "environment" / "Dockerfile").is_file():
            raise WrongUse(
                f"src/{parent.relative_to(root / 'src').as_posix()} is an experiment itself",
                mend="An experiment cannot stand inside another; choose another name",
            )


def _copy(root: Path, source: Path, folder: Path, old: str, new: str) -> None:
    """Into a temporary folder beside it first: killed half-way, no half experiment is there."""
    staging = files.make_folder(root / ".innerloop") / f"new-{new.replace('/', '.')}-{os.getpid()}"
    try:
        _copy_tree(source, staging, folder, old, new)
        files.make_folder(folder.parent)
        files.rename(staging, folder)
    finally:
        files.remove_tree(staging)


def _copy_tree(source: Path, staging: Path, final: Path, old: str, new: str) -> None:
    files.make_folder(staging)
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if entry.name in LEFT_OUT:
            continue
        target = staging / entry.name
        if entry.is_symlink():
            real = Path(entry.path).resolve()
            files.make_link(target, os.path.relpath(real, (final / entry.name).parent))
        elif entry.is_dir():
            _copy_tree(Path(entry.path), target, final / entry.name, old, new)
        else:
            files.copy(
                Path(entry.path), target, replace=(old, new) if _is_text(entry.name) else None
            )


def _is_text(name: str) -> bool:
    return name.endswith((".py", ".yaml", ".yml", ".md", ".toml", ".txt", ".in")) or "." not in name
