"""The experiment's own pytest suite, and that of the common code it uses, in its environment with
test tools."""

from __future__ import annotations

import argparse
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from .. import loading, noticing, running
from ..places import PLACES
from ..spec.experiment import Experiment, Link

SUMMARY = "Runs the experiment's pytest suite, and that of the common code it uses."
EXAMPLES = """examples:
  loop test digit_recognition
  loop test digit_recognition -- -k step -x      the rest goes to pytest
  loop test digit_recognition -- tests/test_train.py
"""

COMMON_TESTS = "src/common/tests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--place", choices=PLACES, default="auto", help="where (default: auto)")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    common = common_tests(experiment, args.root)
    folder = args.root / experiment.folder
    if common:
        # Links are what a place makes visible beside the experiment's folder.
        tests = Link(path=COMMON_TESTS, target=COMMON_TESTS)
        experiment = replace(experiment, links=(*experiment.links, tests))
    words = pytest_words(experiment, common, args.rest, named=_names_a_path(folder, args.rest))
    plan = running.plan_command(workspace, experiment, "python -m pytest", arguments=words)
    started = running.prepare(plan, args.place, dry=False, dev=True)
    return noticing.tested(started.run, started.request, lambda: running.carry_out(started))


def common_tests(experiment: Experiment, root: Path) -> list[str]:
    """`src/common/tests/test_<name>.py` of each piece of common code that the experiment links to,
    relative to the experiment's folder."""
    names = {
        PurePosixPath(link.target).stem
        for link in experiment.links
        if link.target.startswith("src/common/")
    }
    files = [f"{COMMON_TESTS}/test_{name}.py" for name in sorted(names)]
    return [posixpath.relpath(file, experiment.folder) for file in files if (root / file).is_file()]


def pytest_words(
    experiment: Experiment, common: Sequence[str], rest: Sequence[str], *, named: bool
) -> tuple[str, ...]:
    """pytest's arguments: the experiment's own settings (never those of the workspace around it),
    its folder and the common tests, unless the person named a path, and what they added."""
    own = ["--rootdir", "."]
    if "pytest.ini" in experiment.files:
        own += ["-c", "pytest.ini"]
    paths = [".", *common] if common and not named else []
    return (*own, *paths, *rest)


def _names_a_path(folder: Path, words: Sequence[str]) -> bool:
    return any(
        not word.startswith("-") and (folder / word.partition("::")[0]).exists() for word in words
    )
