"""The table of a run in several parts (a pipeline's steps, a sweep's trials): in place on a
terminal, elsewhere a line when a part begins or ends and the whole table when all is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..util import console, process

if TYPE_CHECKING:  # it takes a tenth of a second, and most runs have one part
    from rich.live import Live
    from rich.table import Table

WAITING, RUNNING, DONE, FAILED, SKIPPED, STOPPED, KEPT = (
    "waiting", "running", "done", "failed", "skipped", "stopped", "kept",
)  # fmt: skip
_COLOURS = {RUNNING: "cyan", DONE: "green", FAILED: "red", STOPPED: "red", KEPT: "green"}


@dataclass(slots=True)
class TableRow:
    """One row. `cells` are its texts by column; `seconds` count from its beginning to its end."""

    name: str
    cells: dict[str, str] = field(default_factory=dict)
    state: str = WAITING
    started: float = 0.0
    seconds: float | None = None

    def cell(self, column: str) -> str:
        if column == "state":
            return self.state
        if column == "seconds":
            running = self.state == RUNNING
            seconds = time.monotonic() - self.started if running else self.seconds
            return "" if seconds is None else f"{seconds:.1f}"
        return self.cells.get(column, "")


class Board:
    """`noun` is what a part is called; `columns` are the table's after the name, of which "state"
    and "seconds" fill themselves; `headings` are their titles where those differ. Use it as
    `with board.shown():`."""

    def __init__(
        self,
        noun: str,
        columns: Sequence[str],
        parts: Sequence[TableRow],
        headings: Mapping[str, str] | None = None,
    ) -> None:
        self.noun = noun
        self.headings = headings or {}
        self.columns = list(columns)
        self.parts: Mapping[str, TableRow] = {part.name: part for part in parts}
        self.screen: _Screen | None = None

    def begin(self, name: str) -> None:
        part = self.parts[name]
        part.state, part.started = RUNNING, time.monotonic()
        number = list(self.parts).index(name) + 1
        given = ", ".join(f"{key}={value}" for key, value in part.cells.items() if value)
        about = f": {given}" if given else ""
        self.say(f"innerloop: {self.said(name)} ({number} of {len(self.parts)}) runs{about}")

    def end(self, name: str, state: str, why: str = "", **cells: str) -> None:
        """`why` completes the sentence; `cells` are what is known of the part now."""
        part = self.parts[name]
        if part.state == RUNNING:
            part.seconds = time.monotonic() - part.started
        part.state = state
        part.cells.update(cells)
        after = f" after {part.seconds:.1f} s" if part.seconds is not None else ""
        about = f": {why}" if why else ""
        self.say(f"innerloop: {self.said(name)}: {state}{after}{about}")

    def said(self, name: str) -> str:
        return name if name.startswith(f"{self.noun}-") else f"{self.noun} {name}"

    def say(self, text: str) -> None:
        if self.screen is not None:
            self.screen.line(text)
        else:
            console.print_line(text)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The table is there within, and stays when it is over, however it ends."""
        if sys.stderr.isatty() and sys.stdout.isatty():
            self.screen = _Screen(self)
            try:
                with self.screen.live, process.redirect_output(self.screen.heard):
                    yield
            finally:
                self.screen = None
            return
        try:
            yield
        finally:
            console.print_line(self.text())

    def used_columns(self) -> list[str]:
        """Those in which something stands."""
        return [
            column
            for column in self.columns
            if column == "state" or any(part.cell(column) for part in self.parts.values())
        ]

    def heads(self) -> list[str]:
        return [self.noun, *(self.headings.get(one, one) for one in self.used_columns())]

    def rows(self) -> list[list[str]]:
        columns = self.used_columns()
        return [
            [part.name, *(part.cell(column) for column in columns)] for part in self.parts.values()
        ]

    def text(self) -> str:
        """The table as plain text: columns in line, no frame."""
        rows = [self.heads(), *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)


class _Screen:
    """What the programs print goes above the table; their unfinished line stands below it."""

    def __init__(self, board: Board) -> None:
        from rich.console import Console
        from rich.live import Live

        self.board = board
        self.rest = ""
        self.live: Live = Live(
            get_renderable=self.table, console=Console(stderr=True), refresh_per_second=4
        )

    def table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption_justify="left")
        for column in self.board.heads():
            table.add_column(column, justify="right" if column == "seconds" else "left")
        for part, row in zip(self.board.parts.values(), self.board.rows(), strict=True):
            table.add_row(*map(Text, row), style=_COLOURS.get(part.state, ""))
        table.caption = Text(self.rest.rsplit("\r", 1)[-1].strip()[-200:]) if self.rest else None
        return table

    def heard(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            self.line(line.rsplit("\r", 1)[-1])

    def line(self, text: str) -> None:
        from rich.text import Text

        options: dict[str, Any] = {"soft_wrap": True, "highlight": False}
        self.live.console.print(Text.from_ansi(text), **options)
        self.live.refresh()
