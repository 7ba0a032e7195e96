"""A table in plain text that stays readable wherever it is read: in a narrow terminal it has fewer
columns rather than broken words, and in a pipe every line is whole."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

GAP = 2
# What is left of a last column that is cut off still says something.
LEAST = 14


@dataclass(frozen=True, slots=True)
class Table:
    """`right` are the titles of columns of numbers; `spare` those that may be left out where there
    is no room, the first one first; `cuts`: the last column's text may be cut off with "…"."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[str] = ()
    spare: Sequence[str] = ()
    cuts: bool = False


def show(table: Table) -> list[str]:
    """Prints it to stdout; the titles that there was no room for."""
    terminal = sys.stdout.isatty()
    lines, left_out = lay_out(table, shutil.get_terminal_size().columns if terminal else None)
    if terminal and lines and not os.environ.get("NO_COLOR"):
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    print("\n".join(lines))
    return left_out


def lay_out(table: Table, width: int | None) -> tuple[list[str], list[str]]:
    """The lines, the titles first, none longer than `width` where that can be had; and the titles
    of the columns that were left out. Without a width all is there, and nothing is cut off."""
    kept = list(range(len(table.titles)))
    cells = [list(map(_one_line, row)) for row in (table.titles, *table.rows)]
    widths = [max(len(row[at]) for row in cells) for at in kept]
    spare = [table.titles.index(title) for title in table.spare if title in table.titles]
    while width is not None and spare and _needed(table, widths, kept) > width:
        kept.remove(spare.pop(0))
    if width is not None and table.cuts:
        room = max(LEAST, width - _sum(widths, kept[:-1]) - GAP * (len(kept) - 1))
        cells = [[*row[:-1], _cut(row[-1], room)] for row in cells]
        widths[-1] = min(widths[-1], room)
    right = {at for at in kept if table.titles[at] in table.right}
    lines = [
        (" " * GAP)
        .join(
            row[at].rjust(widths[at]) if at in right else row[at].ljust(widths[at]) for at in kept
        )
        .rstrip()
        for row in cells
    ]
    return lines, [title for at, title in enumerate(table.titles) if at not in kept]


def _needed(table: Table, widths: Sequence[int], kept: Sequence[int]) -> int:
    last = min(widths[-1], LEAST) if table.cuts else widths[kept[-1]]
    return _sum(widths, kept[:-1]) + last + GAP * (len(kept) - 1)


def _sum(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[at] for at in kept)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
