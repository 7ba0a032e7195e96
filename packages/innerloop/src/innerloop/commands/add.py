"""Adds packages to an experiment's environment, and locks them."""

from __future__ import annotations

import argparse
import posixpath
from contextlib import suppress
from pathlib import Path

from ..model import requirements
from ..model.experiment import Experiment
from ..model.requirements import Requirement, RequirementEdit
from ..model.workspace import Workspace
from ..scaffold import packages
from ..scaffold.packages import Outcome
from ..util import console
from ..util.console import say
from ..util.errors import UsageError
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """Adds each package to src/EXP/environment/requirements.in and compiles requirements.txt, which pins
every package with hashes, and then the locks that build on it. A package that is there gets the
version that you type. If no versions fit together, nothing changes.

Without a package it compiles all locks of the experiment, as `loop lock` does.

examples:
  loop add churn pandas
  loop add churn "pandas>=2.2" "scikit-learn[alldeps]"
  loop add churn --dev ipdb              a tool for people: requirements-dev.in
  loop add churn --test pytest-mock      what the tests need: requirements-test.in
  loop add src/churn/train.py pandas     the experiment of a file
  loop add churn                         after an edit of requirements.in
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help='a name, or with a version: "pandas>=2.2"'
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--dev", action="store_true", help="what people need, not the job: requirements-dev.in"
    )
    kind.add_argument(
        "--test", action="store_true", help="what the tests need, not the job: requirements-test.in"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment, words = _chosen(workspace, args)
    asked = [_requirement(word) for word in words]
    kind = packages.DEV if args.dev else packages.TEST if args.test else packages.JOB
    outcome = packages.add(workspace, experiment, asked, kind)
    if args.json:
        console.print_json(as_json(experiment, outcome))
    else:
        for line in report(outcome):
            print(localized(line))
    if note := packages.lock_note(workspace, experiment, outcome):
        say(localized(note))
    if outcome.written:
        say(localized(next_step(experiment)))
    return 0


def _chosen(workspace: Workspace, args: argparse.Namespace) -> tuple[Experiment, list[str]]:
    """The experiment and the packages: in an experiment's folder its name can be omitted."""
    name, words = args.experiment, list(args.packages)
    if name is not None and _is_package(workspace, name, args.cwd):
        with suppress(UsageError):
            return loader.choose_experiment(workspace, None, args.cwd, asks=False), [name, *words]
    return loader.choose_experiment(workspace, name, args.cwd), words


def _is_package(workspace: Workspace, word: str, cwd: Path) -> bool:
    """Whether the first word can be a package: it names neither an experiment nor what is on disk."""
    plain = word.replace("\\", "/").rstrip("/").removeprefix("src/")
    names = {*workspace.experiments, *(name.split("/")[-1] for name in workspace.experiments)}
    return (
        requirements.parse(word) is not None
        and plain not in names
        and not (cwd / word).exists()
        and not Path(workspace.root, word).exists()
    )


def _requirement(word: str) -> Requirement:
    requirement = requirements.parse(word)
    if requirement is None:
        raise UsageError(
            f'"{word}" is not a package',
            code="package-invalid",
            hint='Write a name, with a version if you want one: "pandas>=2.2"; a file or an option '
            "goes into requirements.in by hand",
        )
    return requirement


def report(outcome: Outcome) -> list[str]:
    path = posixpath.normpath(f"{outcome.folder}/{outcome.source}")
    lines = [_line(edit, path) for edit in outcome.edits]
    locks = [name for name in outcome.written if name.endswith(".txt")]
    lines += [f"locked {outcome.folder}/{name}" for name in locks]
    lines += [f"  {name} {version}" for name, version in sorted(outcome.versions.items())]
    return lines if outcome.written else [*lines, f"{path} is locked: nothing to change"]


def _line(edit: RequirementEdit, path: str) -> str:
    if edit.kind == "added":
        return f"added {edit.new} to {path}"
    if edit.kind == "there":
        return f"{path} has {edit.new}"
    return f"{edit.new} replaces {edit.old} in {path}"


def next_step(experiment: Experiment) -> str:
    if loader.current_experiment() is not None:
        return "rebuild the container to get them: Dev Containers: Rebuild Container"
    return (
        f"the next run builds {experiment.name}'s image; an open dev container gets them with "
        f"`scripts/loop up {experiment.name} --rebuild`"
    )


def as_json(experiment: Experiment, outcome: Outcome) -> dict[str, object]:
    return {
        "experiment": experiment.name,
        "file": posixpath.normpath(f"{outcome.folder}/{outcome.source}"),
        "requirements": [
            {
                "requirement": str(edit.new),
                "change": edit.kind,
                "before": None if edit.old is None else str(edit.old),
            }
            for edit in outcome.edits
        ],
        "written": [f"{outcome.folder}/{name}" for name in outcome.written],
        "versions": dict(outcome.versions),
    }
