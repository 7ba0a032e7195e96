"""The merge of a generated text file (YAML, a Dockerfile, a script), by lines.

What the person changed and what changed in the generated text are both kept, as long as the changes
neither overlap nor touch. Otherwise the person's text stays as it is, and that is a conflict.

Line endings and a byte order mark are not changes: git and editors convert them. A text that is
written again keeps those of the file that it replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..util.errors import UserError
from ..util.json_values import ABSENT
from .conflicts import Conflict, KeptEntry, Merged

_BOM = "\ufeff"
WHOLE_FILE = ()


def merge(yours: str | None, base: str | None, theirs: str | None) -> Merged:
    """As `three_way.merge`; `base` and `theirs` have a line feed at the end of each line."""
    if yours is None:
        return Merged(theirs if base is None else None, base=theirs)
    plain = normalized(yours)
    if theirs is not None and plain == theirs:
        return Merged(yours, base=theirs)
    if base is not None and plain == base:
        return Merged(None if theirs is None else like(yours, theirs), base=theirs)
    if theirs is None:
        line = _first_difference(plain, base or "")
        return Merged(yours, kept=(KeptEntry(WHOLE_FILE, line, 1, what="what you changed"),))
    if base == theirs:
        return Merged(yours, base=base)
    if base is not None:
        merged, line = _by_lines(plain, base, theirs)
        if merged is not None:
            return Merged(like(yours, merged), base=theirs)
    else:
        line = _first_difference(plain, theirs)
    conflict = Conflict(WHOLE_FILE, line, 1, yours, theirs, ABSENT if base is None else base)
    return Merged(yours, conflicts=(conflict,), base=base)


def is_unchanged(yours: str, base: str) -> bool:
    """Whether the person left the generated text as it was."""
    return normalized(yours) == base


def take(yours: str, base: str | None, theirs: str | None, name: str = "") -> Merged:
    """The generated text replaces the person's file, whether there is a conflict or only an edit."""
    if theirs is None or normalized(yours) == theirs:
        _require_conflict(yours, base, theirs, name)
    return Merged(None if theirs is None else like(yours, theirs), base=theirs)


def keep(yours: str, base: str | None, theirs: str | None, name: str = "") -> Merged:
    """Resolves a conflict: the person's text stays until the generated one changes again."""
    _require_conflict(yours, base, theirs, name)
    return Merged(yours, base=theirs)


def sides(yours: str, base: str | None, theirs: str | None) -> tuple[str | None, str | None]:
    """The base and theirs, laid out as yours is, for a merge editor."""
    return (
        None if base is None else like(yours, base),
        None if theirs is None else like(yours, theirs),
    )


def _require_conflict(yours: str, base: str | None, theirs: str | None, name: str) -> None:
    if not merge(yours, base, theirs).conflicts:
        raise UserError("there is no conflict in this file", code="no-conflict", where=name)


class _Hunk(NamedTuple):
    """Lines `start` to `end` (exclusive) of the base give way to `lines`.

    `position` is the first of them in the changed text.
    """

    start: int
    end: int
    lines: list[str]
    position: int


def _by_lines(yours: str, base: str, theirs: str) -> tuple[str | None, int]:
    """The text with both changes; or None, and the line of yours, from 1, where they meet."""
    lines = _lines(base)
    mine = list(_hunks(lines, _lines(yours)))
    generated = list(_hunks(lines, _lines(theirs)))
    for hunk in mine:
        for other in generated:
            if hunk[:3] != other[:3] and hunk.start <= other.end and other.start <= hunk.end:
                return None, hunk.position + 1
    hunks = {(hunk.start, hunk.end): hunk for hunk in [*mine, *generated]}
    for start, end in sorted(hunks, reverse=True):
        lines[start:end] = hunks[start, end].lines
    return "".join(lines), 0


def _hunks(base: list[str], changed: list[str]) -> Iterator[_Hunk]:
    from difflib import SequenceMatcher  # here: mostly nothing differs

    matcher = SequenceMatcher(None, base, changed, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield _Hunk(start, end, changed[first:last], first)


def _lines(text: str) -> list[str]:
    """The lines of the text, each with its line break.

    `str.splitlines` would also break at other characters.
    """
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def normalized(text: str) -> str:
    """The text as a generated one is written: line feeds, and no byte order mark."""
    return text.removeprefix(_BOM).replace("\r\n", "\n")


def like(yours: str, text: str) -> str:
    """The text with the line endings and the byte order mark of the file that it replaces."""
    if yours.count("\r\n") * 2 > yours.count("\n"):
        text = text.replace("\n", "\r\n")
    return _BOM + text if yours.startswith(_BOM) else text


def _first_difference(yours: str, other: str) -> int:
    """The first line, from 1, that is not the same."""
    mine, rest = yours.removesuffix("\n").split("\n"), other.removesuffix("\n").split("\n")
    for number, (one, two) in enumerate(zip(mine, rest, strict=False), start=1):
        if one != two:
            return number
    return max(1, min(len(mine), len(rest) + 1))
