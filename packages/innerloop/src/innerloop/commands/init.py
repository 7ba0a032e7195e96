"""A new workspace in a folder of its own, or the tool in a repository that is there."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..model.settings.orchestrators import AZURE_DEVOPS, GITHUB
from ..scaffold import init, workspace_template
from ..scaffold.adopt import adoption, report
from ..scaffold.adopt.proposal import Wishes
from ..util import console, user_shell
from ..util.console import say
from ..util.errors import UsageError
from ..util.printable import one_line
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

A repository with jobs of its own keeps its files where they are. --here looks for them, shows what it
would add, and asks:
  innerloop init --here                              in this folder
  innerloop init --here ../forecasts --dry-run       shows it, and writes nothing
  innerloop init --here --yes                        does not ask
  innerloop init --here --only 'jobs/*.yml'          only the jobs in these files
  innerloop init --here --steps                      also each step of a pipeline by itself
  innerloop init --here --container                  with a dev container for the whole repository
"""

# What `--here` has no use for: the repository has its own.
_OF_NEW = ("example", "orchestrators", "no_git")
_OF_HERE = ("container", "yes", "json", "only", "steps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="the workspace's folder, absent or empty; with --here the repository (default: this folder)",
    )
    parser.add_argument(
        "--here", action="store_true", help="add the tool to a repository that is there, as it is"
    )
    parser.add_argument(
        "--container",
        action="store_true",
        help="with --here: also generate a dev container for the whole repository",
    )
    parser.add_argument(
        "--only",
        metavar="GLOB",
        action="append",
        help="with --here: only jobs and components in these files (jobs/*.yml), or below a folder",
    )
    parser.add_argument(
        "--steps",
        action="store_true",
        help="with --here: also an experiment for each component that is a step of a pipeline",
    )
    parser.add_argument("--yes", action="store_true", help="with --here: do not ask")
    parser.add_argument("--json", action="store_true", help="with --here: print one JSON object")
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
    _require_fitting(args)
    if args.here:
        return _adopt(args)
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


def _require_fitting(args: argparse.Namespace) -> None:
    """UsageError for options of the other kind of `init`, and for a missing folder."""
    others = [name for name in (_OF_NEW if args.here else _OF_HERE) if getattr(args, name)]
    if others:
        option = {"orchestrators": "--github and --azure-devops", "no_git": "--no-git"}.get(
            others[0], f"--{others[0]}"
        )
        raise UsageError(
            f"{option} and --here do not go together" if args.here else f"{option} needs --here",
            code="options-exclusive",
            hint="See `innerloop init --help`",
        )
    if args.folder is None and not args.here:
        raise UsageError(
            "no folder is named",
            code="invalid-arguments",
            hint="Name the new workspace's folder, or write --here for the repository in this one",
        )


def _adopt(args: argparse.Namespace) -> int:
    wanted = adoption.AdoptionRequest(
        folder=real_path(Path(args.cwd, args.folder or ".")),
        wishes=Wishes(args.container, tuple(args.only or ()), args.steps),
        wheel=None if args.wheel is None else real_path(Path(args.cwd, args.wheel)),
        root=args.root,
    )
    if args.yes and not args.dry_run:
        plan = adoption.carry_out(wanted)
        _show(plan, args, is_written=True)
        return 0
    if not args.dry_run and not args.json:
        adoption.undo_killed(wanted.folder)
    plan = adoption.plan(wanted)
    asks = not args.dry_run and not args.json
    _show(plan, args, is_written=False)
    if asks and console.agreed(f"Add innerloop to {wanted.folder}?"):
        plan = adoption.carry_out(wanted)
        _show_end(plan, wanted.folder)
    elif asks:
        print("nothing was written")
    return 0


def _show(plan: adoption.AdoptionPlan, args: argparse.Namespace, *, is_written: bool) -> None:
    if args.json:
        console.print_json(report.as_json(plan, is_written=is_written))
        return
    for line in report.lines(plan):
        print(one_line(line))
    sys.stdout.flush()
    for message in (*plan.problems, *plan.notes, *plan.ignored):
        say(message)
    if is_written:
        _show_end(plan, real_path(Path(args.cwd, args.folder or ".")))
    else:
        print(f"would write {len(plan.writes)} files and change {len(plan.edits)}", flush=True)


def _show_end(plan: adoption.AdoptionPlan, folder: Path) -> None:
    print(f"added innerloop to {folder}: {len(plan.writes)} new files. Next:")
    for word in ("list", "check"):
        print(f"  {user_shell.joined([os.path.join('scripts', 'loop'), word])}")


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
