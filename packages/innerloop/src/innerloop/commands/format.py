"""Formats the team's code with black and isort, or with the formatter that its files name."""

from __future__ import annotations

import argparse
import sys

from ..model.shared_code import COMMON
from ..scaffold import format
from ..workspace import formatter_files, loader

EXAMPLES = """The versions of black and isort are locked with the tool, the settings are those of pyproject.toml: the
editor on saving, this command and CI agree. A team that formats with Ruff (ruff.toml, pyproject.toml,
.pre-commit-config.yaml) gets Ruff, in the version that is on PATH.

examples:
  loop format                        src/, notebooks/ and tests/
  loop format digit_recognition      the experiment, and the shared code that it links to
  loop format --check                changes nothing; exit code 1 if something would change
  loop format --diff                 shows what would change
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: src/ and notebooks/")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, report what would change"
    )
    parser.add_argument(
        "--diff", action="store_true", help="the same, as a diff that `git apply` takes"
    )


def run(args: argparse.Namespace) -> int:
    if formatter_files.formatter_of(args.root).kind == "none":
        print("no formatter is set up in this repository, so nothing is formatted")
        return 0
    folders = _folders(args)
    if not folders:
        print("there is no code yet")
        return 0
    if args.check or args.diff:
        findings = format.check(args.root, folders)
        if args.diff:
            print(format.difference(args.root, findings), end="")
        # A program may read the diff, so nothing else goes to stdout.
        output = sys.stderr if args.diff else sys.stdout
        for finding in findings:
            print(finding.message, file=output)
        if not findings:
            print("all files are formatted", file=output)
        return 1 if findings else 0
    changed, invalid = format.write(args.root, folders)
    for path in changed:
        print(f"formatted {path}")
    for finding in invalid:
        print(finding.message)
    if not changed and not invalid:
        print("all files are formatted")
    return 1 if invalid else 0


def _folders(args: argparse.Namespace) -> list[str]:
    if args.experiment is None:
        return format.folders_of(args.root, loader.open_workspace(args.root))
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    shared = {link.target for link in experiment.links if link.target.startswith(f"{COMMON}/")}
    return [experiment.folder, *sorted(shared)]
