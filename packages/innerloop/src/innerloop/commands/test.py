"""Run the experiment's tests, and those of the shared code it uses, in its environment."""

from __future__ import annotations

import argparse
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import test_functions
from ..model.experiment import Experiment, Link
from ..model.pytest_settings import names_a_path
from ..model.shared_code import COMMON_TESTS
from ..remote import base
from ..runner import execute, failure_report, gpu_option
from ..scaffold import coverage
from ..util import argtypes, console, files
from ..util.errors import UsageError, UserError
from ..util.late_patterns import late_pattern
from ..workspace import experiment_choice, loader

if TYPE_CHECKING:
    from ..runner.debug_session import DebugSession

EXAMPLES = """examples:
  loop test digit_recognition
  loop test digit_recognition -- -k step -x      arguments after -- go to pytest
  loop test digit_recognition -- tests/test_train.py
  loop test digit_recognition --coverage         a table, and a page in outputs/EXP/coverage/
  loop test digit_recognition --junit results.xml
  loop test digit_recognition --debug            waits for a debugger (F5 does it for you)
  loop test src/digit_recognition/tests/test_train.py --debug       the tests of this file
  loop test digit_recognition --list --json      for an editor: the tests with file and line
"""

# Pytest's exit codes.
_PASSED, _FAILED, _NONE_COLLECTED = 0, 1, 5
# Its options to end after the first failure; letters of other options may be in the same word.
_FIRST_FAILURE = late_pattern("-[qvslx]*x[qvslx]*|--exitfirst|--maxfail=1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="an experiment, or a file of it (default: the folder you are in)",
    )
    base.add_run_argument(parser)
    gpu_option.add_argument(parser)
    parser.add_argument(
        "--coverage", action="store_true", help="report the lines of its code that the tests reach"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the tests, as their files have them; run nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --list: one JSON array on stdout")
    parser.add_argument(
        "--junit",
        metavar="FILE",
        help="write the results as JUnit XML, for CI; as JSON if FILE ends with .json",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="wait for the editor, debug the tests; of the file, if EXP is one with tests",
    )
    parser.add_argument(
        "--port",
        type=argtypes.port,
        metavar="N",
        help="with --debug: the port; an error if it is in use",
    )


def run(args: argparse.Namespace) -> int:
    if args.port is not None and not args.debug:
        raise UsageError(
            "--port is the debugger's port", code="option-not-applicable", hint="Add --debug"
        )
    if not args.debug:
        return _run(args)
    from ..runner import debug

    return debug.in_session(partial(_run, args), args.root, args.experiment)


def _run(args: argparse.Namespace, session: DebugSession | None = None) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    if args.json and not args.list:
        raise UsageError(
            "--json works only with --list",
            code="option-needs-another",
            hint="Add --list, or write --junit FILE for the results",
        )
    if args.list:
        return _list(args.root, experiment, args.json)
    experiment = gpu_option.applied(experiment, args.gpus)
    reports = coverage.CoverageRequest(experiment, coverage=args.coverage, junit=bool(args.junit))
    coverage.prepare(args.root, reports)
    codes: list[int] = []
    parts = pytest_parts(args.root / experiment.folder, experiment, args.rest)
    if session is not None:
        parts = [_debugged_part(args, experiment, parts)]
    for part in parts:
        options = reports.pytest_options(len(codes))
        words = [*part, *options, *args.rest]
        plan = execute.plan_command(
            workspace,
            _with_visible(experiment, reports),
            "python -m pytest",
            arguments=words,
            test=True,
        )
        started = execute.prepare(plan, args.backend, dry=False)
        if session is not None:
            from ..runner import debug

            started = debug.prepare(started, args.port, False, session)
        start = partial(execute.carry_out, started)
        codes.append(failure_report.tested(started.run, started.request, start))
        if _ends_here(codes[-1], args.rest):
            break
    for line in coverage.collect(args.root, reports, args.cwd / args.junit if args.junit else None):
        console.say(line)
    if coverage.PYTEST_USAGE_ERROR in codes and args.coverage:
        console.say(coverage.missing_plugin(experiment))
    return _combined(codes)


def _list(root: Path, experiment: Experiment, as_json: bool) -> int:
    rows = [*_tests(root, experiment)]
    if as_json:
        console.print_json(rows)
    else:
        for row in rows:
            print(row["id"])
    return 0


def _tests(root: Path, experiment: Experiment) -> Iterator[dict[str, str | int]]:
    """A row for each test. Its `id` is what pytest takes, in the experiment's folder."""
    seen: set[str] = set()
    own = experiment.pytest.own_paths
    for path in dict.fromkeys(path for group in experiment.test_paths for path in group or own):
        start = posixpath.normpath(f"{experiment.folder}/{path}")
        if start.startswith(".."):
            continue
        for file in _test_files(root, start):
            if file in seen:
                continue
            seen.add(file)
            try:
                text = files.read_own(root / file) or ""
            except UserError:  # no text, or behind a link that leads out
                continue
            inner = posixpath.relpath(file, experiment.folder)
            for test in test_functions.of_text(text):
                yield {"id": f"{inner}::{test.name}", "file": file, "line": test.line}


def _test_files(root: Path, start: str) -> Iterator[str]:
    """The files of tests at or below a path; no link is followed."""
    if (root / start).is_file():
        yield start
    for folder, folders, names in os.walk(root / start):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(names):
            if test_functions.is_test_file(name):
                yield Path(folder, name).relative_to(root).as_posix()


def _debugged_part(
    args: argparse.Namespace, experiment: Experiment, parts: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """The arguments of the one pytest that is debugged. UsageError if there are several.

    It runs the tests of the file that was named, if it has any.
    """
    path = experiment_choice.file_of(args.root, args.experiment or "", args.cwd)
    if path is not None and test_functions.is_test_file(posixpath.basename(path)):
        return (*parts[0][: _own_words(experiment)], posixpath.relpath(path, experiment.folder))
    if len(parts) > 1:
        raise UsageError(
            f"the tests of {experiment.name} need {len(parts)} processes of pytest, since modules "
            "among them have the same name, and one is debugged",
            code="option-not-applicable",
            hint="Name a file of tests: `scripts/loop test PATH/test_NAME.py --debug`",
        )
    return parts[0]


def _own_words(experiment: Experiment) -> int:
    """The number of arguments of each pytest that name no tests."""
    return len(("--rootdir", ".", *experiment.pytest.arguments))


def _ends_here(code: int, rest: Sequence[str]) -> bool:
    """Whether nothing more runs after a pytest that ended with a code."""
    if code not in (_PASSED, _FAILED, _NONE_COLLECTED):  # interrupted, or it cannot run at all
        return True
    return code == _FAILED and any(_FIRST_FAILURE.fullmatch(word) for word in rest)


def _combined(codes: Sequence[int]) -> int:
    """The exit code of several parts: a failure counts, and "no tests" only if no part has one."""
    failures = [code for code in codes if code not in (_PASSED, _NONE_COLLECTED)]
    return failures[0] if failures else min(codes)


def _with_visible(experiment: Experiment, reports: coverage.CoverageRequest) -> Experiment:
    """The experiment with links to the tests of its shared code and to the folder for reports.

    Links are what a backend makes visible next to the experiment's folder.
    """
    targets = [COMMON_TESTS] if experiment.common_tests else []
    targets += experiment.seen_by_tests
    targets += [reports.folder] if reports.is_any else []
    links = (Link(path=target, target=target) for target in targets)
    return replace(experiment, links=(*experiment.links, *links))


def pytest_parts(
    folder: Path, experiment: Experiment, rest: Sequence[str]
) -> list[tuple[str, ...]]:
    """The arguments of each pytest to run, in this order: mostly one.

    Settings are the experiment's own, never those of the workspace. Its tests and those of its
    shared code come first, unless `rest` names a path. Tests whose modules have the names of others
    run in a pytest of their own.
    """
    own = ("--rootdir", experiment.pytest.top, *experiment.pytest.arguments)
    if names_a_path(rest, lambda path: (folder / path).exists()):
        return [own]
    return [(*own, *paths) for paths in experiment.test_paths]
