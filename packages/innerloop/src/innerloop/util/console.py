"""Messages for the person at the terminal, and questions to them.

All of it goes to stderr: stdout is for what a program may read.
"""

from __future__ import annotations

import os
import sys

from . import redaction
from .errors import UserError


def say(text: str) -> None:
    """One message, with the tool's name in front. Secrets of the environment are masked."""
    print_line(f"innerloop: {text}")


def print_line(text: str) -> None:
    """One line without the tool's name. Secrets of the environment are masked."""
    print(redaction.of_process().text(text), file=sys.stderr, flush=True)


def error(error: UserError) -> None:
    """An error with its code, as `loop` ends with it."""
    say(error.report())


def can_ask() -> bool:
    """Whether somebody can answer: there is a terminal, and it is not CI's."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")


def ask(question: str) -> bool:
    """Whether the person answers yes. False if nobody can answer."""
    if not can_ask():
        return False
    print(f"innerloop: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
