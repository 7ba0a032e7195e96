"""A new workspace in a folder of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..scaffold import init, workspace_template

EXAMPLES = """The folder is absent or empty. The new workspace runs this very version of the tool: its
scripts/loop-requirements.txt names it, with hashes.

examples:
  innerloop init my-workspace
  innerloop init my-workspace --example digits       with two experiments on handwritten digits
  innerloop init my-workspace --wheel innerloop.whl  holds the tool itself, in .innerloop/wheels
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="the workspace's folder, absent or empty")
    parser.add_argument(
        "--example", choices=sorted(workspace_template.EXAMPLES), help="begin with an example"
    )
    parser.add_argument("--wheel", metavar="FILE", help="the tool's wheel, kept in the workspace")
    parser.add_argument("--no-git", action="store_true", help="make no git repository")


def run(args: argparse.Namespace) -> int:
    folder = Path(args.cwd, args.folder)
    wheel = None if args.wheel is None else Path(args.cwd, args.wheel)
    init.make(folder, example=args.example, wheel=wheel, git=not args.no_git)
    print(f"made the workspace {folder}")
    first = "digit_recognition" if args.example == "digits" else "my_experiment"
    steps = [f"cd {args.folder}", f"scripts/loop run {first}"]
    if not args.example:
        steps.insert(1, f"scripts/loop new {first}")
    print("Next: " + "; ".join(steps))
    return 0
