"""A choice from a list in the terminal: by number, by its name, or by typing a part of it.

The list and the questions go to stderr, as all messages do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from . import console
from .errors import UsageError
from .quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a list. `heading`: the group that it is listed under, "" for none."""

    label: str
    text: str = ""
    heading: str = ""


def matching(options: Sequence[Option], typed: str) -> list[Option]:
    """The options that an answer leaves: one of them decides.

    A number is the option's position in the whole list, and a whole label the option of that name.
    Otherwise every word must be in the label; if no label has all of them, in the label or text.
    """
    word = typed.strip()
    if word.isdecimal() and 0 < int(word) <= len(options):
        return [options[int(word) - 1]]
    if named := [option for option in options if option.label == word]:
        return named[:1]
    words = word.casefold().split()
    for texts in (lambda one: one.label, lambda one: f"{one.label} {one.text}"):
        if left := [one for one in options if all(w in texts(one).casefold() for w in words)]:
            return left
    return []


def lines(options: Sequence[Option], shown: Sequence[Option], width: int) -> list[str]:
    """The list of what is shown, with the positions in the whole list, at most `width` wide."""
    digits, names = len(str(len(options))), max((len(one.label) for one in shown), default=0)
    result: list[str] = []
    heading = ""
    for position, option in enumerate(options, start=1):
        if option not in shown:
            continue
        if option.heading != heading:
            heading = option.heading
            result += [*([""] if result else []), heading]
        line = f"  {position:>{digits}}  {option.label:<{names}}  {option.text}".rstrip()
        result.append(line if len(line) <= width else line[: width - 1] + "…")
    return result


def choose(options: Sequence[Option], question: str, *, default: bool = False) -> Option | None:
    """The option that the person chooses; None if they leave by an empty line or Ctrl-D.

    `default`: an empty line takes the first option. UsageError without a terminal.
    """
    if not console.can_ask():
        raise UsageError(
            "no terminal to ask in", code="no-terminal", hint="Write it on the command line"
        )
    return pick(options, question, _answer, console.print_line, default=default)


def pick(
    options: Sequence[Option],
    question: str,
    read: Callable[[str], str | None],
    write: Callable[[str], None],
    *,
    default: bool = False,
) -> Option | None:
    """`choose` with its own ways to read an answer (None at the end of the input) and to write."""
    shown, number = list(options), f"1-{len(options)}"
    words = f"number ({number}) or a part of it"
    end = f"Enter for {options[0].label}" if default else "Enter to leave"
    while True:
        import shutil

        for line in lines(options, shown, shutil.get_terminal_size().columns):
            write(line)
        answer = read(f"{question} ({words}; {end}): ")
        if answer is None:
            return None
        if not answer.strip():
            return options[0] if default else None
        left = matching(options, answer)
        if len(left) == 1:
            return left[0]
        if not left:
            write(f'nothing matches "{answer.strip()}"')
        shown = left or list(options)


def answer(question: str, default: str) -> str:
    """One line that the person types; an empty one is the default, and Ctrl-D is ""."""
    line = _answer(f"{question} [{default}]: " if default else f"{question}: ")
    return "" if line is None else line.strip() or default


def _answer(question: str) -> str | None:
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        return None
    return line
