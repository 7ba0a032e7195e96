"""What may stand at a place of a job file: completion, hover and code lenses of an editor."""

from __future__ import annotations

import argparse
import re

from ..model.jobs import job_completion
from ..model.workspace import Workspace
from ..util import console, standard_input
from ..util.errors import UsageError
from ..workspace import job_values, loader

EXAMPLES = """The text need not be saved, nor be YAML yet.

examples:
  loop complete --stdin src/digits/azure-ml-job.yaml --at 4:12 < text
  loop complete --stdin src/digits/azure-ml-job.yaml < text      the places that can be run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the path of the job file")
    parser.add_argument(
        "--stdin", action="store_true", required=True, help="read the file's text from stdin"
    )
    parser.add_argument("--at", metavar="LINE:COLUMN", help="the cursor's place, from 1")
    parser.add_argument("--json", action="store_true", help="the output is always one JSON object")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    path = loader.path_in(workspace, args.file, args.cwd)
    text = standard_input.read_text("--stdin")
    if args.at is None:
        kind, lenses = job_completion.lenses(text)
        values = [lens.as_json() for lens in lenses]
        console.print_json(
            {
                "file": path,
                "kind": kind,
                "experiment": _experiment(workspace, path),
                "lenses": values,
            }
        )
        return 0
    match = re.fullmatch(r"([1-9]\d{0,8}):([1-9]\d{0,8})", args.at)
    if match is None:
        what = f"--at {args.at} is no place"
        hint = "Write LINE:COLUMN, both from 1"
        raise UsageError(what, code="invalid-arguments", hint=hint)
    known = job_values.read(workspace, path)
    found = job_completion.complete(text, path, int(match[1]), int(match[2]), known)
    console.print_json({"file": path, **found.as_json()})
    return 0


def _experiment(workspace: Workspace, path: str) -> str:
    """The experiment that a job file belongs to; "" for a file of none."""
    return next(iter(workspace.owners_of(path)), "")
