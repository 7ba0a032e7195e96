"""A new workspace in a folder of its own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..model.settings.orchestrators import AZURE_DEVOPS, GITHUB
from ..scaffold import init, workspace_template
from ..util import user_shell
from ..util.console import say
from ..util.relative_paths import real_path

EXAMPLES = """The folder is absent or empty; a new repository's .git, README, licence and .gitignore may be there.
The new workspace runs this very version of the tool: its scripts/loop-requirements.txt names it,
with hashes.

examples:
  innerloop init my-workspace
  innerloop init .                                   in this folder: a clone of a new repository
  innerloop init my-workspace --example tiny         with an experiment that runs in a second
  innerloop init my-workspace --example digits       with two experiments on handwritten digits
  innerloop init my-workspace --github               with workflows that check every push
  innerloop init my-workspace --dry-run              lists the files
  innerloop init my-workspace --wheel innerloop.whl  holds the tool itself, in .innerloop/wheels
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="the workspace's folder, absent or empty")
    parser.add_argument(
        "--example", choices=sorted(workspace_template.EXAMPLES), help="begin with an example"
    )
    for name, title in ((GITHUB, "GitHub Actions"), (AZURE_DEVOPS, "Azure DevOps")):
        parser.add_argument(
            f"--{name}",
            dest="orchestrators",
            action="append_const",
            const=name,
            help=f"CI on {title}: checks at every push, and the experiments' schedules",
        )
    parser.add_argument("--wheel", metavar="FILE", help="the tool's wheel, kept in the workspace")
    parser.add_argument("--no-git", action="store_true", help="make no git repository")
    parser.add_argument("--dry-run", action="store_true", help="list the files and write nothing")


def run(args: argparse.Namespace) -> int:
    wanted = init.NewWorkspace(
        folder=real_path(Path(args.cwd, args.folder)),
        example=args.example,
        orchestrators=tuple(dict.fromkeys(args.orchestrators or ())),
        wheel=None if args.wheel is None else real_path(Path(args.cwd, args.wheel)),
        git=not args.no_git,
        root=args.root,
    )
    outcome = init.preview(wanted) if args.dry_run else init.make(wanted)
    for path in outcome.files if args.dry_run else ():
        print(path)
    for note in outcome.notes:
        say(note)
    for path in outcome.schedules:
        say(f"{path} starts a job by time: remove [schedule] in its innerloop.toml to stop that")
    if args.dry_run:
        print(f"would make {len(outcome.files)} files in {wanted.folder}")
        return 0
    print(f"made the workspace {wanted.folder}. Next:")
    for words in _next(wanted, args):
        print(f"  {user_shell.joined(words)}")
    return 0


def _next(wanted: init.NewWorkspace, args: argparse.Namespace) -> Iterator[list[str]]:
    """The three commands to type next."""
    loop, test = (os.path.join("scripts", name) for name in ("loop", "test"))
    is_here = wanted.folder == args.cwd.resolve()
    first = init.first_experiment(wanted.example)
    if not is_here:
        yield ["cd", _tidy(wanted.folder, args)]
    if wanted.example is None:
        yield [loop, "new", first]
    yield [loop, "run", first]
    if is_here or wanted.example is not None:
        yield [test]
    if is_here and wanted.example is not None:
        yield [loop, "help"]


def _tidy(folder: Path, args: argparse.Namespace) -> str:
    """The folder as it was typed, without `a/..` and `.` on the way."""
    typed: str = os.path.normpath(args.folder)
    with suppress(OSError):  # behind a link, `..` may lead elsewhere
        if os.path.samefile(os.path.join(args.cwd, typed), folder):
            return typed
    return str(folder)
