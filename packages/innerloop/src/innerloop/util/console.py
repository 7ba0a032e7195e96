"""A line for the person at the terminal, and a question to them. Both on stderr: stdout is for what
a program may read."""

from __future__ import annotations

import os
import sys


def say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr, flush=True)


def ask(question: str) -> bool:
    """Yes or no; no where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("CI"):
        return False
    print(f"innerloop: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
