"""Errors that a person can act on.

Three outcomes: a `UserError` (exit code 1, or 2 for a `UsageError`), an interruption (130), and
everything else, which is a bug of the tool and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

from .position import Position
from .printable import one_line
from .user_shell import localized


class UserError(Exception):
    """What is wrong, where, and what to do about it. The exit code is 1.

    `what` is one sentence without a full stop at its end; `where` is a `Position`, a file
    or a command; `hint` says what to do, as an instruction. `code` names the kind of error in
    kebab-case: tests and scripts rely on it, so the wording may improve. `meant`: where a misspelt
    word stands, and the words that it may be meant for.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        code: str = "",
        where: Position | str = "",
        hint: str = "",
        meant: tuple[Position | None, Sequence[str]] = (None, ()),
    ) -> None:
        self.what = what
        self.code = code
        self.where = str(where)
        self.position = where if isinstance(where, Position) else None
        self.hint = hint
        self.meant = meant
        super().__init__(self.message())

    def message(self) -> str:
        """`WHERE: WHAT. HINT`, without the code, with commands as this system's shells have them."""
        what = localized(self.what)
        head = f"{one_line(self.where)}: {what}" if self.where else what
        stop = "" if head.endswith(("?", ":", "\n ")) else "."
        return f"{head}{stop} {localized(self.hint)}" if self.hint else head

    def report(self) -> str:
        """The message with its code at the end, as the command line prints it."""
        return f"{self.message()} [{self.code}]" if self.code else self.message()


class UsageError(UserError):
    """A command line that cannot be understood. The exit code is 2."""

    exit_code = 2


def combine(errors: Sequence[UserError]) -> UserError:
    """One error for several, with a line for each."""
    if len(errors) == 1:
        return errors[0]
    lines = "".join(f"\n  {error.message()}" for error in errors)
    return UserError(f"{len(errors)} things are missing or wrong:{lines}", code="several")


def did_you_mean(word: str, known: list[str]) -> str:
    """`Did you mean "digit_recognition"?`, or what is known (of many the first), or nothing.

    An empty string when nothing is known, so that a sentence can end with it.
    """
    close = close_words(word, known)
    if close:
        return "Did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    return f"There are: {join_names(sorted(known))}" if known else ""


def close_words(word: str, known: list[str]) -> list[str]:
    """The known words that a word may be meant for, the closest first: three at most."""
    import difflib

    return difflib.get_close_matches(word, known, n=3, cutoff=0.5)


def join_names(names: Sequence[str], most: int = 40) -> str:
    """`a, b, c`; of more than `most` names the first ones, and the number of the others."""
    shown = names if len(names) <= most else names[: most // 4]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
