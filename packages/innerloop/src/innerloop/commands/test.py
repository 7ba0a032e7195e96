"""Run the experiment's tests, and those of the shared code it uses, in its development environment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..model.experiment import Experiment, Link
from ..model.shared_code import COMMON_TESTS
from ..remote import base
from ..runner import execute, failure_report
from ..scaffold import coverage
from ..util import console
from ..workspace import loader

EXAMPLES = """examples:
  loop test digit_recognition
  loop test digit_recognition -- -k step -x      arguments after -- go to pytest
  loop test digit_recognition -- tests/test_train.py
  loop test digit_recognition --coverage         a table, and a page in outputs/EXP/coverage/
  loop test digit_recognition --junit results.xml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    base.add_run_argument(parser)
    parser.add_argument(
        "--coverage", action="store_true", help="report the lines of its code that the tests reach"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML, for CI")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    folder = args.root / experiment.folder
    reports = coverage.CoverageRequest(experiment, coverage=args.coverage, junit=bool(args.junit))
    coverage.prepare(args.root, reports)
    named = _names_a_path(folder, args.rest)
    words = [*pytest_words(experiment, [], named=named), *reports.pytest_options, *args.rest]
    plan = execute.plan_command(
        workspace, _with_visible(experiment, reports), "python -m pytest", arguments=words
    )
    started = execute.prepare(plan, args.backend, dry=False)
    code = failure_report.tested(started.run, started.request, lambda: execute.carry_out(started))
    for line in coverage.collect(args.root, reports, args.cwd / args.junit if args.junit else None):
        console.say(line)
    if code == coverage.PYTEST_USAGE_ERROR and args.coverage:
        console.say(coverage.missing_plugin(experiment))
    return code


def _with_visible(experiment: Experiment, reports: coverage.CoverageRequest) -> Experiment:
    """The experiment with links to the tests of its shared code and to the folder for reports.

    Links are what a backend makes visible next to the experiment's folder.
    """
    targets = [COMMON_TESTS] if experiment.common_tests else []
    targets += [reports.folder] if reports.pytest_options else []
    links = (Link(path=target, target=target) for target in targets)
    return replace(experiment, links=(*experiment.links, *links))


def pytest_words(experiment: Experiment, rest: Sequence[str], *, named: bool) -> tuple[str, ...]:
    """Pytest's arguments.

    First the experiment's own settings (never those of the workspace), then its folder and the
    tests of its shared code unless the user `named` a path, then the user's own arguments.
    """
    own = ["--rootdir", "."]
    if "pytest.ini" in experiment.files:
        own += ["-c", "pytest.ini"]
    paths = experiment.test_paths if experiment.common_tests and not named else []
    return (*own, *paths, *rest)


def _names_a_path(folder: Path, words: Sequence[str]) -> bool:
    return any(
        not word.startswith("-") and (folder / word.partition("::")[0]).exists() for word in words
    )
