"""A position in a text file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """`line` and `column` count from 1. Line 0 is the file as a whole, column 0 the whole line."""

    file: str
    line: int = 0
    column: int = 0

    def whole(self) -> Position:
        """The position with a line and a column: those of the beginning where it has none."""
        return Position(self.file, max(self.line, 1), max(self.column, 1))

    def __str__(self) -> str:
        """`file:line:column`, `file:line` or `file`, as editors and terminals link it."""
        if not self.line:
            return self.file
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )
