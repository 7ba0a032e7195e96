"""The tool's lines in `.gitignore` and `.gitattributes`, between two marks.

The rest of such a file is the person's. The block stands at its top: there git lets every line of
theirs override the tool's, and what was there before is still there, byte for byte, below it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..util.late_patterns import late_pattern

FILES = (".gitignore", ".gitattributes")
BEGIN = "# >>> innerloop: the tool's lines. Write your own below; they override these."
END = "# <<< innerloop"
_BOM = "\ufeff"
# By their first words, so that a later version can word them in another way.
_BLOCK = late_pattern(
    r"^# >>> innerloop\b[^\n]*\n(?P<lines>(?:[^\n]*\n)*?)# <<< innerloop\b[^\n]*(?:\n|\Z)",
    re.MULTILINE,
)


class Parts(NamedTuple):
    """A text around its block: what is above, the lines between the marks, and what is below.

    `lines` is None for a text without a block; all of it is then below. The lines end in
    line feeds; what is around them is as it was.
    """

    above: str
    lines: str | None
    below: str


def split(text: str) -> Parts:
    """The parts of a text, without its byte order mark."""
    plain = text.removeprefix(_BOM)
    found = _BLOCK.search(plain)
    if found is None:
        return Parts("", None, plain)
    lines = found["lines"].replace("\r\n", "\n")
    return Parts(plain[: found.start()], lines, plain[found.end() :])


def with_lines(text: str, lines: str) -> str:
    """The text with these lines in its block, which is made at the top if there is none.

    What is around it, the kind of line ends and the byte order mark stay as they are.
    """
    parts = split(text)
    gap = "\n" if parts.lines is None and parts.below else ""
    block = f"{BEGIN}\n{lines}{END}\n{gap}"
    return _bom(text) + parts.above + _like(text, block) + parts.below


def without(text: str, known: str) -> str:
    """The text without its block: the opposite of `with_lines`.

    Lines between the marks that are not in `known` are the person's, and stay.
    """
    parts = split(text)
    if parts.lines is None:
        return text
    tools = set(known.splitlines())
    own = "".join(f"{line}\n" for line in parts.lines.splitlines() if line not in tools)
    below = parts.below
    if not parts.above and not own:
        below = below.removeprefix("\r\n" if below.startswith("\r") else "\n")
    return _bom(text) + parts.above + _like(text, own) + below


def _like(text: str, new: str) -> str:
    """`new` with the line ends of `text`."""
    is_windows = text.count("\r\n") * 2 > text.count("\n")
    return new.replace("\n", "\r\n") if is_windows else new


def _bom(text: str) -> str:
    return _BOM if text.startswith(_BOM) else ""
