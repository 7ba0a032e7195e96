"""Paths into a JSON file as a person types them: `tasks["run svm"].args`, or `.` for the whole file."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from ..util.errors import UsageError
from ..util.late_patterns import late_pattern

# The keys of objects and the names of list members, outermost first.
Path: TypeAlias = tuple[str, ...]


class Member(str):
    """A step in brackets: the name of a list's member. Equal to the same plain text."""

    __slots__ = ()


_PLAIN = late_pattern(r"[A-Za-z_$][A-Za-z0-9_$-]*\Z")
_STEP = late_pattern(
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
    """The inverse of `format_path`.

    Names may be in double quotes (with JSON's escapes) or in single quotes (without). Raises
    UsageError.
    """
    steps: list[str] = []
    at = 0
    if text.strip() == ".":
        return ()
    while at < len(text):
        match = _STEP.match(text, at)
        if not match or (at > 0 and match[1] and text[at] != "."):
            raise _not_a_path(text)
        steps.append(_step(match, text))
        at = match.end()
    if not steps:
        raise _not_a_path(text)
    return tuple(steps)


def _step(match: re.Match[str], text: str) -> str:
    if match[1]:
        return match[1]
    if match[2] is None:
        return Member(match[3])
    try:
        return Member(json.loads(match[2], strict=False))
    except ValueError:
        raise _not_a_path(text) from None


def _not_a_path(text: str) -> UsageError:
    return UsageError(
        f"{text} is not a path into a file",
        code="file-path-invalid",
        hint="""Write keys with dots and names in brackets, as in 'tasks["run svm"].args'""",
    )
