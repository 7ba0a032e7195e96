"""The progress table of a pipeline's steps or a sweep's trials.

On a terminal it is drawn in place; elsewhere there is a line when a row begins or ends, and the
whole table at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ..util import console, process
from ..util.printable import one_line, printable, raw
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:  # rich takes a tenth of a second to import, and most runs have no table
    from rich.live import Live
    from rich.table import Table

RowState = Literal[
    "waiting", "running", "done", "failed", "skipped", "stopped", "stopped early", "kept"
]
WAITING: RowState = "waiting"
RUNNING: RowState = "running"
DONE: RowState = "done"
FAILED: RowState = "failed"
SKIPPED: RowState = "skipped"
STOPPED: RowState = "stopped"
STOPPED_EARLY: RowState = "stopped early"
KEPT: RowState = "kept"
_COLOURS = {RUNNING: "cyan", DONE: "green", FAILED: "red", STOPPED: "red", KEPT: "green"}


@dataclass(slots=True)
class Row:
    """A step or a trial.

    `cells` are its texts by column; `seconds` is its time from begin to end, None if it never ran;
    `values` are those of a trial, which have columns of their own.
    """

    name: str
    cells: dict[str, str] = field(default_factory=dict)
    state: RowState = WAITING
    started: float = 0.0
    seconds: float | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def cell(self, column: str) -> str:
        if column == "state":
            return self.state
        if column == "seconds":
            running = self.state == RUNNING
            seconds = time.monotonic() - self.started if running else self.seconds
            return "" if seconds is None else f"{seconds:.1f}"
        return self.cells.get(column) or self.values.get(column, "")


class ProgressTable:
    """`noun` is what a row is called ("step").

    `columns` follow the row's name; "state" and "seconds" fill themselves. `headings` are the
    titles of columns whose name is not their title. Use it as `with table.shown():`.
    """

    def __init__(
        self,
        noun: str,
        columns: Sequence[str],
        rows: Sequence[Row],
        headings: Mapping[str, str] | None = None,
    ) -> None:
        self.noun = noun
        self.headings = headings or {}
        self.columns = list(columns)
        self.rows: Mapping[str, Row] = {row.name: row for row in rows}
        self.screen: _Screen | None = None

    def begin(self, name: str) -> None:
        row = self.rows[name]
        row.state, row.started = RUNNING, time.monotonic()
        number = list(self.rows).index(name) + 1
        values = ", ".join(f"{key}={value}" for key, value in row.values.items() if value)
        about = f": {values}" if values else ""
        self.say(f"innerloop: {self.title(name)} ({number} of {len(self.rows)}) runs{about}")

    def end(self, name: str, state: RowState, reason: str = "", **cells: str) -> None:
        """`reason` completes the line; `cells` are added to the row."""
        row = self.rows[name]
        if row.state == RUNNING:
            row.seconds = time.monotonic() - row.started
        row.state = state
        row.cells.update(cells)
        after = f" after {row.seconds:.1f} s" if row.seconds is not None else ""
        about = f": {reason}" if reason else ""
        self.say(f"innerloop: {self.title(name)}: {state}{after}{about}")

    def title(self, name: str) -> str:
        """`step NAME`; a name that begins with the noun is its own title."""
        return name if name.startswith(f"{self.noun}-") else f"{self.noun} {name}"

    def say(self, text: str) -> None:
        """Print a line, above the table if that is on the screen."""
        if self.screen is not None:
            self.screen.line(printable(text))
        else:
            console.print_line(text)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table within; it stays at the end, also after an exception."""
        if sys.stderr.isatty() and sys.stdout.isatty():
            self.screen = _Screen(self)
            try:
                with self.screen.live, process.redirect_output(self.screen.write):
                    yield
            finally:
                self.screen = None
            return
        try:
            yield
        finally:
            console.print_line(self.text())

    def used_columns(self) -> list[str]:
        """The columns with at least one text."""
        return [
            column
            for column in self.columns
            if column == "state" or any(row.cell(column) for row in self.rows.values())
        ]

    def head(self) -> list[str]:
        names = (self.headings.get(name, name) for name in self.used_columns())
        return [self.noun, *map(one_line, names)]

    def body(self) -> list[list[str]]:
        columns = self.used_columns()
        return [
            [one_line(row.name), *(one_line(row.cell(name)) for name in columns)]
            for row in self.rows.values()
        ]

    def text(self) -> str:
        """The table as plain text with aligned columns."""
        lines = [self.head(), *self.body()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
            for cells in lines
        )


class _Screen:
    """The table on a terminal. The programs' output goes above it, their unfinished line below it."""

    def __init__(self, table: ProgressTable) -> None:
        from rich.console import Console
        from rich.live import Live

        self.table = table
        self.unfinished = ""
        self.live: Live = Live(
            get_renderable=self.render, console=Console(file=raw(sys.stderr)), refresh_per_second=4
        )

    def render(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption_justify="left")
        for column in self.table.head():
            table.add_column(column, justify="right" if column == "seconds" else "left")
        for row, cells in zip(self.table.rows.values(), self.table.body(), strict=True):
            table.add_row(*map(Text, cells), style=_COLOURS.get(row.state, ""))
        caption = self.unfinished.rsplit("\r", 1)[-1].strip()[-200:]
        table.caption = Text(caption) if self.unfinished else None
        return table

    def write(self, text: str) -> None:
        """Output of a program, in any pieces."""
        *lines, self.unfinished = (self.unfinished + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            self.line(line.rsplit("\r", 1)[-1])

    def line(self, text: str) -> None:
        from rich.text import Text

        options: dict[str, Any] = {"soft_wrap": True, "highlight": False}
        self.live.console.print(Text.from_ansi(text), **options)
        self.live.refresh()
