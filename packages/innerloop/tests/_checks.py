"""`packages/innerloop/test`: formatting, lint and types of the tool, then its tests.

With arguments, only pytest runs, with those arguments; with --checks alone, all but pytest; with --tests
alone, only pytest, with all tests; with
--coverage first, pytest under coverage, the command lines that tests start included, and a report;
with --nightly first, pytest with the long campaigns as well; with `--stage NAME` first, the tests of
that stage of .ci/run alone.
Every check runs even when one before it failed, and the exit code is that of the first that failed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from innerloop.util import process

PACKAGE = Path(__file__).resolve().parent.parent
CODE = ("src", "tests", "benchmarks", "tools", "hatch_build.py")
# Only in the environment of an experiment do the packages of the other benchmarks have types.
TYPED = (
    *("src", "tests", "tools"),
    *(
        f"benchmarks/{name}.py"
        for name in (
            *("_support", "_templates", "devcontainer", "init", "keyboard", "orchestrator"),
            *("large", "startup", "submit", "upgrade"),
        )
    ),
)


def main(words: Sequence[str]) -> int:
    """The exit code of the first check that failed, 0 when all is well."""
    if words and words[0] == "--coverage":
        return _coverage(words[1:])
    if words and words[0] == "--nightly":
        os.environ["INNERLOOP_NIGHTLY"] = "1"
        words = words[1:] or ["-m", "nightly"]
    if words and words[0] == "--stage":
        if not words[1:]:
            print("test: --stage needs a name: rootless, podman, ...", flush=True)
            return 2
        os.environ["INNERLOOP_STAGE"] = words[1]
        words = words[2:] or ["-m", "stage"]
    if list(words) == ["--tests"]:
        return _check(checks()[-1])
    if words and list(words) != ["--checks"]:
        return _check(["pytest", *map(from_package, words)])
    wanted = checks()[:-1] if words else checks()
    codes = {argv[0]: _check(argv) for argv in wanted}
    failed = [name for name, code in codes.items() if code != 0]
    if failed and failed != ["pytest"]:
        print(f"test: failed: {', '.join(failed)}", flush=True)
    return codes[failed[0]] if failed else 0


def checks() -> list[list[str]]:
    """Each is a module with its arguments. The tests are last: their closing line stays visible."""
    return [
        ["black", "--check", "--diff", "--quiet", *CODE],
        ["ruff", "check", "--quiet", *CODE],
        ["mypy", "--no-error-summary", *[path for path in TYPED if (PACKAGE / path).exists()]],
        ["pytest", "-n", str(workers()), "--dist", "loadgroup"],
    ]


def _coverage(words: Sequence[str]) -> int:
    """The exit code of pytest. The report goes to the screen and to coverage-report/index.html."""
    settings = str(PACKAGE / "pyproject.toml")
    os.environ["COVERAGE_PROCESS_START"] = settings  # tests/conftest.py hands it on
    os.environ["COVERAGE_FILE"] = str(PACKAGE / ".coverage")
    code = _check(
        ["coverage", "run", "--rcfile", settings, "-m", "pytest", *map(from_package, words)]
    )
    for verb in (["combine", "--quiet"], ["html", "--quiet", "-d", "coverage-report"], ["report"]):
        _check(["coverage", *verb, "--rcfile", settings])
    return code


def from_package(word: str) -> str:
    """Make a path of the command line that exists from the current folder absolute.

    Such a path is `tests/x.py::test_y`; the checks run in the package's folder. Every other word is
    unchanged.
    """
    path, colons, rest = word.partition("::")
    found = not path.startswith("-") and os.path.exists(path)
    return f"{os.path.abspath(path)}{colons}{rest}" if found else word


def workers() -> int:
    """How many tests run at once.

    A few, since some start containers or a browser; one more than there are cores, since the tests with
    Docker, which tests/conftest.py keeps in one worker, mostly wait for its engine.
    """
    return min(4, (os.cpu_count() or 1) + 1)


def _check(argv: Sequence[str]) -> int:
    print(f"test: {' '.join(argv)}", flush=True)
    started = time.monotonic()
    code = process.run_foreground([sys.executable, "-m", *argv], cwd=PACKAGE)
    if argv[0] != "pytest":  # its own closing line says it
        verdict = f"failed (exit code {code})" if code else "passed"
        print(f"test: {argv[0]} {verdict} in {time.monotonic() - started:.0f} s", flush=True)
    return code
