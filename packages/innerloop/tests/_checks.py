"""`scripts/test`: formatting, lint and types of the whole workspace, then its tests.

With arguments, only pytest runs, with those arguments; with --checks alone, all but pytest. Every check runs even when one before it
failed, and the exit code is that of the first that failed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from innerloop.util import process

ROOT = Path(__file__).resolve().parents[3]
OURS = ("packages/innerloop/src", "packages/innerloop/tests", "packages/innerloop/benchmarks")
# Only in the environment of an experiment do its packages have types.
TYPED = (
    "packages/innerloop/src",
    "packages/innerloop/tests",
    *(
        f"packages/innerloop/benchmarks/{name}.py"
        for name in ("_support", "devcontainer", "keyboard", "orchestrator", "submit")
    ),
)


def main(words: Sequence[str]) -> int:
    """The exit code of the first check that failed, 0 when all is well."""
    if words and list(words) != ["--checks"]:
        return _check(["pytest", *words])
    wanted = checks()[:-1] if words else checks()
    codes = {argv[0]: _check(argv) for argv in wanted}
    failed = [name for name, code in codes.items() if code != 0]
    if failed and failed != ["pytest"]:
        print(f"test: failed: {', '.join(failed)}", flush=True)
    return codes[failed[0]] if failed else 0


def checks() -> list[list[str]]:
    """Each is a module with its arguments. The tests are last: their closing line stays visible."""
    ours = [path for path in OURS if (ROOT / path).exists()]
    return [
        ["black", "--check", "--diff", "--quiet", *ours, "src"],
        ["isort", "--check-only", "--diff", "--quiet", *ours, "src"],
        ["ruff", "check", "--quiet", *ours],
        ["mypy", "--no-error-summary", *[path for path in TYPED if (ROOT / path).exists()]],
        ["pytest", "-n", str(workers()), "--dist", "loadgroup"],
    ]


def workers() -> int:
    """How many tests run at once. A few, since some start containers or a browser; tests/conftest.py
    says which stay together."""
    return max(1, min(4, os.cpu_count() or 1))


def _check(argv: Sequence[str]) -> int:
    print(f"test: {' '.join(argv)}", flush=True)
    started = time.monotonic()
    code = process.run_foreground([sys.executable, "-m", *argv], cwd=ROOT)
    if argv[0] != "pytest":  # its own closing line says it
        verdict = f"failed (exit code {code})" if code else "passed"
        print(f"test: {argv[0]} {verdict} in {time.monotonic() - started:.0f} s", flush=True)
    return code
