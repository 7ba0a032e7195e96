"""Tables in plain text.

In a narrow terminal a table has fewer columns instead of broken lines; in a pipe it is complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence

from .printable import one_line, raw
from .quick_dataclasses import dataclass

GAP = 2
# Minimum width of a last column that is cut off.
LEAST = 14


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    `right`: titles of right-aligned columns; `spare`: titles of columns that may be left out, the
    first one first; `cuts`: the last column may be cut off with "…". What is left out for one wide
    column comes back where a narrower one has room, the most worth first.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[str] = ()
    spare: Sequence[str] = ()
    cuts: bool = False


def show(table: Table) -> list[str]:
    """Print the table to stdout. Returns the titles of the columns without room."""
    terminal = sys.stdout.isatty()
    import shutil

    lines, left_out = lay_out(table, shutil.get_terminal_size().columns if terminal else None)
    if terminal and lines and not os.environ.get("NO_COLOR"):
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    print("\n".join(lines), file=raw(sys.stdout))
    return left_out


def lay_out(table: Table, width: int | None) -> tuple[list[str], list[str]]:
    """The lines of the table, and the titles of the columns that were left out.

    The lines begin with the titles and are at most `width` long if possible. Without a width
    nothing is left out or cut off.
    """
    shown = list(range(len(table.titles)))
    cells = [list(map(_one_line, row)) for row in (table.titles, *table.rows)]
    widths = [max(len(row[at]) for row in cells) for at in shown]
    spare = [table.titles.index(title) for title in table.spare if title in table.titles]
    out: list[int] = []
    while width is not None and spare and _needed(table, widths, shown) > width:
        out.append(spare.pop(0))
        shown.remove(out[-1])
    for at in reversed(out):
        more = sorted([*shown, at])
        if width is not None and _needed(table, widths, more) <= width:
            shown = more
    if width is not None and table.cuts:
        room = max(LEAST, width - _sum(widths, shown[:-1]) - GAP * (len(shown) - 1))
        cells = [[*row[:-1], cut(row[-1], room)] for row in cells]
        widths[-1] = min(widths[-1], room)
    right = {at for at in shown if table.titles[at] in table.right}
    lines = [
        (" " * GAP)
        .join(
            row[at].rjust(widths[at]) if at in right else row[at].ljust(widths[at]) for at in shown
        )
        .rstrip()
        for row in cells
    ]
    return lines, [title for at, title in enumerate(table.titles) if at not in shown]


def _needed(table: Table, widths: Sequence[int], shown: Sequence[int]) -> int:
    last = min(widths[-1], LEAST) if table.cuts else widths[shown[-1]]
    return _sum(widths, shown[:-1]) + last + GAP * (len(shown) - 1)


def _sum(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown)


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable() and " " not in text:  # as most cells are
        return text
    return one_line(" ".join(text.split()))


def cut(text: str, room: int) -> str:
    """The text with at most `room` characters, the last one "…" where something is cut off."""
    return text if len(text) <= room else text[: room - 1] + "…"
