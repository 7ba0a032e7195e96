"""Whose each file is, and what an upgrade of the tool does with it."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from ..scaffold import ownership
from ..util import console, tables
from ..util.errors import UsageError
from ..workspace.root import typed_below

EXAMPLES = """owners:
  tool      replaced by an upgrade; one that you edited is named
  shared    generated, then yours as well: your edits stay, and changes of both sides are merged
  team      yours alone: the tool never changes it

examples:
  loop owners
  loop owners .vscode/tasks.json
  loop owners --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="one file; default: all of them")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    if args.file is None:
        found = ownership.table(args.root)
    else:
        found = [ownership.of_file(args.root, _path(args))]
    if args.json:
        console.print_json([asdict(file) for file in found])
        return 0
    rows = [(file.owner, file.path, file.state) for file in found]
    tables.show(tables.Table(("owner", "file", "state"), rows))
    return 0


def _path(args: argparse.Namespace) -> str:
    """The path from the root; it may be typed in any folder."""
    full = os.path.normpath(os.path.join(args.cwd, args.file))
    if not os.path.lexists(full) and os.path.lexists(os.path.join(args.root, args.file)):
        full = os.path.normpath(os.path.join(args.root, args.file))
    path = typed_below(args.root, full)
    if path is None:
        raise UsageError(
            f"{args.file} is outside the workspace",
            code="outside-workspace",
            hint="Name a file of the workspace",
        )
    return path
