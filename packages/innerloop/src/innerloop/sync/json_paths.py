"""Paths into a file as a person types them: `tasks["run svm"].args`, or `.` for the whole file."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from ..util.errors import UsageError

# The keys of objects and the names of list members, outermost first.
Path: TypeAlias = tuple[str, ...]


class Member(str):
    """A step that is written in brackets: the name of a list's member. Equal to the plain text."""

    __slots__ = ()


_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*\Z")
_STEP = re.compile(
    r"""\.?([A-Za-z_$][A-Za-z0-9_$-]*)
    | \.?\[("(?:[^"\\]|\\.)*")\]
    | \.?\['([^']*)'\]""",
    re.VERBOSE,
)


def format_path(path: Path) -> str:
    text = "".join(_format_step(step) for step in path)
    return text.removeprefix(".") or "."


def _format_step(step: str) -> str:
    if not isinstance(step, Member) and _PLAIN.match(step):
        return f".{step}"
    return f"[{json.dumps(str(step), ensure_ascii=not step.isprintable())}]"


def parse_path(text: str) -> Path:
    """The other way round; names may be in double quotes (JSON's escapes) or in single quotes
    (none). Raises WrongUse."""
    steps: list[str] = []
    at = 0
    if text.strip() == ".":
        return ()
    while at < len(text):
        found = _STEP.match(text, at)
        if not found or (at > 0 and found[1] and text[at] != "."):
            raise _not_a_path(text)
        steps.append(_step(found, text))
        at = found.end()
    if not steps:
        raise _not_a_path(text)
    return tuple(steps)


def _step(found: re.Match[str], text: str) -> str:
    if found[1]:
        return found[1]
    if found[2] is None:
        return Member(found[3])
    try:
        return Member(json.loads(found[2], strict=False))
    except ValueError:
        raise _not_a_path(text) from None


def _not_a_path(text: str) -> UsageError:
    return UsageError(
        f"{text} is not a path into a file",
        hint="""Write keys with dots and names in brackets, as in 'tasks["run svm"].args'""",
    )
