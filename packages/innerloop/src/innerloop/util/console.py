"""Messages for the person at the terminal, and questions to them.

All of it goes to stderr: stdout is for what a program may read.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from .errors import UserError


def say(text: str) -> None:
    """One message, with the tool's name in front."""
    print_line(f"innerloop: {text}")


def print_line(text: str) -> None:
    """One line as it is, without the tool's name. A terminal that is gone is no error."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def error(error: UserError) -> None:
    """An error with its code, as `loop` ends with it."""
    say(error.report())


def ask(question: str) -> bool:
    """Whether the person answers yes. False if nobody can answer: no terminal, or CI."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("CI"):
        return False
    print(f"innerloop: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
