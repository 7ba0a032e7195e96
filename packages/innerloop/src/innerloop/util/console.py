"""Messages for the person at the terminal, and questions to them.

All of it goes to stderr: stdout is for what a program may read.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from .errors import UsageError, UserError
from .user_shell import localized


def say(text: str) -> None:
    """One message, with the tool's name in front. Secrets of the environment are masked."""
    print_line(f"innerloop: {text}")


def print_line(text: str) -> None:
    """One line without the tool's name. Secrets of the environment are masked.

    A terminal that is gone is no error.
    """
    from . import redaction  # here, since `loop list` from its cache prints no message

    with suppress(OSError, ValueError):
        text = localized(text)
        print(redaction.of_process().text(text), file=sys.stderr, flush=True)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    r"""One JSON value on stdout: strict JSON, and nothing in it acts on a terminal.

    NaN and infinities, which JSON does not have, are null; a byte of a name that is not UTF-8 is
    written `\xe9`.
    """
    import json

    from . import printable

    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value), parse_constant=lambda word: None)
        text = json.dumps(finite, indent=indent, ensure_ascii=False)
    if printable.as_unicode(text) == text:
        print(printable.json_text(text), flush=True)
    else:
        print_json(printable.unicode_tree(value), indent=indent)


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


def agreed(question: str) -> bool:
    """Whether the person agrees to a change that `--yes` makes without asking.

    Raises UsageError without a terminal. The end of the input is a no.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask in; nothing was changed", code="no-terminal", hint="Add --yes"
        )
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()  # below the question
        return False
