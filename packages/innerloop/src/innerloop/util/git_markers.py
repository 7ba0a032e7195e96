"""Git's conflict markers in a text: where they are, and the text as each side has it.

Source: git-merge(1), "How conflicts are presented".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from .late_patterns import late_pattern

# Which half of a conflict: "<" of the branch that was merged into, ">" of the other one.
Side = Literal["<", ">"]

_MARKER = late_pattern(r"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
_CONFLICT = late_pattern(r"^<{7}(?: .*)?$.*^={7}$.*^>{7}(?: .*)?$", re.MULTILINE | re.DOTALL)
# (the part of a conflict that a line is in, the marker) -> the part that follows; " " is none.
_NEXT = {
    ("", "<<<<<<<"): "<",
    ("<", "|||||||"): "|",
    ("<", "======="): ">",
    ("|", "======="): ">",
    (">", ">>>>>>>"): " ",
}


def first_line(text: str) -> int:
    """The line of the first marker, from 1; 0 if there is none."""
    match = _MARKER.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 0


def is_whole(text: str) -> bool:
    """Whether there is a conflict with both of its halves."""
    return _CONFLICT.search(text.replace("\r\n", "\n")) is not None


def side(text: str, which: Side) -> str:
    """The text as one side has it; the same text if it has no markers.

    Its lines end in line feeds, as git writes them into the index.
    """
    return "".join(f"{line}\n" for line in lines_of_side(text, which))


def lines_of_side(text: str, which: Side) -> Iterator[str]:
    part = ""
    for line in lines(text):
        if after := _NEXT.get((part, line if line == "=======" else line[:7])):
            part = after.strip()
        elif part in ("", which):
            yield line


def lines(text: str) -> list[str]:
    """The lines without their line breaks, which are those that git knows."""
    plain = text.replace("\r\n", "\n").removesuffix("\n")
    return plain.split("\n") if plain else []
