"""Run all checks and all tests of the workspace; a table at the end."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ..model.pytest_settings import names_a_path
from ..util import console, locked_environments, process, tables, venvs
from ..util.errors import UserError
from ..util.printable import raw
from ..util.quick_dataclasses import dataclass
from ..workspace import formatter_files, loader

EXAMPLES = """steps:
  format        loop format --check
  sync          loop sync --check
  check         loop check
  tests         the workspace's own tests, in tests/, with pytest
  experiments   loop test EXP, for every experiment

Every step runs, even if one before it failed. The exit code is 1 if any step failed.

examples:
  loop verify
  loop verify --skip-experiments
  loop verify --experiment digit_recognition     of the experiments' tests only these
  loop verify --only check --only sync
  loop verify --tests -- -k generated -x         the workspace's own tests; the rest goes to pytest
"""

STEPS = ("format", "sync", "check", "tests", "experiments")
TESTS = "tests"
# pytest's exit code for "no tests were collected".
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True, slots=True)
class VerifyStep:
    """One program to run: `loop WORDS`, or pytest over the workspace's own tests with WORDS."""

    name: str
    words: tuple[str, ...]
    is_pytest: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended. `result` is "passed", "failed" or "no tests"."""

    step: str
    result: str
    exit_code: int
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        metavar="STEP",
        choices=STEPS,
        action="append",
        help=f"run this step; may be repeated ({', '.join(STEPS)})",
    )
    parser.add_argument(
        "--tests",
        dest="only",
        action="append_const",
        const=TESTS,
        help=f"the same as --only {TESTS}",
    )
    parser.add_argument(
        "--experiment",
        metavar="EXP",
        action="append",
        help="run only this experiment's tests; may be repeated (default: all experiments)",
    )
    parser.add_argument(
        "--skip-experiments", action="store_true", help="do not run the experiments' tests"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array of results on stdout")


def run(args: argparse.Namespace) -> int:
    steps = _steps(args)
    results = []
    with _output_on_stderr() if args.json else contextlib.nullcontext():
        for number, step in enumerate(steps, start=1):
            console.say(f"{step.name} ({number} of {len(steps)})")
            results.append(_run(step, args.root))
    if args.json:
        console.print_json([asdict(result) for result in results])
    else:
        rows = [(result.step, _verdict(result), f"{result.seconds:.1f}") for result in results]
        print()
        tables.show(tables.Table(("step", "result", "seconds"), rows, right=("seconds",)))
    return 1 if any(result.result == "failed" for result in results) else 0


def _steps(args: argparse.Namespace) -> list[VerifyStep]:
    """The steps that the arguments select, in the order of STEPS, one for each experiment."""
    names = args.only or STEPS
    steps = [
        VerifyStep(" ".join(words), words)
        for words in (("format", "--check"), ("sync", "--check"), ("check",))
        if words[0] in names
    ]
    # Those of an adopted repository are of its experiments, whose packages they need.
    is_asked = bool(args.only or args.rest)
    if TESTS in names and (is_asked or not formatter_files.is_adopted(args.root)):
        words = [_from_root(args.root, args.cwd, word) for word in args.rest]
        steps.append(VerifyStep(TESTS, tuple(words), is_pytest=True))
    if "experiments" in names and not args.skip_experiments:
        steps += [VerifyStep(f"test {name}", ("test", name)) for name in _experiments(args)]
    return steps


def _from_root(root: Path, cwd: Path, word: str) -> str:
    """A path that was typed in another folder, relative to the root, where pytest runs."""
    path, colons, test = word.partition("::")
    if word.startswith("-") or cwd == root or not (cwd / path).exists():
        return word
    return os.path.relpath(cwd / path, root) + colons + test


def _experiments(args: argparse.Namespace) -> list[str]:
    workspace = loader.open_workspace(args.root)
    if args.experiment is None:
        return list(workspace.experiments)
    return [loader.choose_experiment(workspace, word, args.cwd).name for word in args.experiment]


def _run(step: VerifyStep, root: Path) -> StepResult:
    if step.is_pytest and not step.words and not (root / TESTS).is_dir():
        return StepResult(step.name, "no tests", 0, 0.0)
    started = time.monotonic()
    try:
        code = process.run_foreground(_argv(step, root), cwd=root)
    except UserError as error:  # the environment cannot be made; the other steps still run
        console.error(error)
        code = error.exit_code
    seconds = round(time.monotonic() - started, 3)
    if code == NO_TESTS_COLLECTED and (step.is_pytest or step.words[0] == "test"):
        return StepResult(step.name, "no tests", code, seconds)
    return StepResult(step.name, "failed" if code else "passed", code, seconds)


def _argv(step: VerifyStep, root: Path) -> list[str]:
    if not step.is_pytest:
        return [sys.executable, "-I", str(root / "scripts" / "loop"), *step.words]
    python = str(venvs.python_of(locked_environments.ensure("pytest")))
    named = names_a_path(step.words, lambda path: (root / path).exists())
    words = [*step.words, *([] if named else [TESTS])]
    return [python, "-I", "-m", "pytest", "--rootdir", ".", *words]


def _verdict(result: StepResult) -> str:
    if result.result == "failed":
        return f"failed (exit code {result.exit_code})"
    return result.result


@contextlib.contextmanager
def _output_on_stderr() -> Iterator[None]:
    """Within, the steps write to stderr: stdout is for the JSON alone."""

    def write(text: str) -> None:
        raw(sys.stderr).write(text)
        sys.stderr.flush()

    with process.redirect_output(write):
        yield
