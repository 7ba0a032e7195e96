"""A position in a text file."""

from __future__ import annotations

from dataclasses import field, replace

from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

# A reference, a text in quotes, or a word; of a line that begins with none of them, its first sign.
_TOKEN = late_pattern(
    r"""\$\{\{[^{}\n]*\}\}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'\[\]{}:=,#][^\s\[\]{}:=,]*|\S"""
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """`line` and `column` count from 1. Line 0 is the file as a whole, column 0 the whole line.

    `end_column` is that after the token which begins here, on the same line; 0 if it is unknown. Two
    positions are equal by their beginnings.
    """

    file: str
    line: int = 0
    column: int = 0
    end_column: int = field(default=0, compare=False)

    def whole(self) -> Position:
        """The position with a line and a column: those of the beginning where it has none."""
        return Position(self.file, max(self.line, 1), max(self.column, 1), self.end_column)

    def in_text(self, text: str) -> Position:
        """The position with the end of its token in the file's text, or of its line's content."""
        lines = text.splitlines()
        if self.end_column or not 0 < self.line <= len(lines):
            return self
        line = lines[self.line - 1]
        return replace(self, end_column=token_end(line, self.column) if self.column else 0)

    def span(self) -> str:
        """`file:line:column-end`, as editors and terminals link it; as `str` without an end."""
        return f"{self}-{self.end_column}" if self.column and self.end_column else str(self)

    def __str__(self) -> str:
        """`file:line:column`, `file:line` or `file`, as editors and terminals link it."""
        if not self.line:
            return self.file
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )


def token_end(line: str, column: int) -> int:
    """The column after the token that begins at a column; 0 if nothing begins there."""
    match = _TOKEN.match(line, column - 1)
    return match.end() + 1 if match else 0
