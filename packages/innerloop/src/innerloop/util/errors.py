"""The sentences that a person may read when something is wrong.

Three outcomes, three classes: a `Mistake` the person can mend (exit code 1), a `WrongUse` of the
command line (exit code 2), and everything else, which is our bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """What is wrong, where, and what to do about it.

    `what` is one sentence without a full stop at its end; `where` is `file:line`, `file` or a
    command; `mend` says what to do, as an instruction. The exit code is 1.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(self.message())

    def message(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        stop = "" if head.endswith(("?", ":", "\n ")) else "."
        return f"{head}{stop} {self.hint}" if self.hint else head


class UsageError(UserError):
    """A command line that cannot be understood (exit code 2)."""

    exit_code = 2


class Stopped(Exception):
    """The person pressed Ctrl-C, and what was started has been stopped (exit code 130)."""

    exit_code = 130


def combine(mistakes: Sequence[UserError]) -> UserError:
    """All that is wrong as one: each has its own line."""
    if len(mistakes) == 1:
        return mistakes[0]
    lines = "".join(f"\n  {mistake.message()}" for mistake in mistakes)
    return UserError(f"{len(mistakes)} things are missing or wrong:{lines}")


def did_you_mean(word: str, known: list[str]) -> str:
    """`Did you mean "digit_recognition"?`, or what is known (of many the first), or nothing.

    An empty string when nothing is known, so that a sentence can end with it.
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    return f"There are: {join_names(sorted(known))}" if known else ""


def join_names(names: Sequence[str], most: int = 40) -> str:
    """`a, b, c`; of many the first ones, and how many more there are: a sentence stays one that a
    person reads."""
    shown = names if len(names) <= most else names[: most // 4]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
