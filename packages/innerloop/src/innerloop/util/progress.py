"""The progress display of everything that takes more than a moment.

Examples are builds, pulls, installations and downloads. All of it goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from . import redaction
from .printable import printable, raw

if TYPE_CHECKING:
    from rich.status import Status

# Work that is done sooner gets no live line, and does not wait for rich.
PATIENCE = 0.5


class Progress:
    """Lines that stay, and on a terminal one live line below them with a spinner.

    Where stderr is a file, a pipe or a terminal without cursor movement there is no live line:
    `is_live` is False, and whoever wants a complete log there prints more lines.
    """

    def __init__(self) -> None:
        self.is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._started

    def line(self, text: str) -> None:
        """Print a line that stays, above the live one."""
        text = redaction.of_process().text(text)
        if self._status is None:
            print(text, file=sys.stderr, flush=True)
        else:
            text = printable(text)
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, text: str) -> None:
        """Replace the live line; without one, do nothing."""
        if not self.is_live or not text.strip() or self.seconds < PATIENCE:
            return
        from rich.text import Text

        text = printable(redaction.of_process().text(text.strip()))
        shown = Text(text, no_wrap=True, overflow="ellipsis")
        if self._status is not None:
            self._status.update(shown)
            return
        from rich.console import Console

        self._status = Console(file=raw(sys.stderr)).status(shown)
        self._status.start()

    def log(self, text: str) -> None:
        """Show a program's line of output in place; without a live line, print it indented."""
        if self.is_live:
            self.show(text)
        else:
            print(f"  {text}", file=raw(sys.stderr), flush=True)  # with the program's colours

    def end(self) -> None:
        """Remove the live line. May be called again."""
        if self._status is not None:
            self._status.stop()
            self._status = None
