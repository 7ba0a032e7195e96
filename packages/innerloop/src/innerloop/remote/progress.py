"""What the worker that talks to Azure says on its way, as lines for a person."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .snapshot import Suspect


class News:
    """What the worker says, for a person: a line that moves where stderr is a terminal, else a
    line now and then, once it takes longer than two seconds."""

    def __init__(self, doing: str, total: int = 0, every: float = 5.0) -> None:
        self.doing = doing
        self.total = total
        self.every = every
        self.sent = 0
        self.uploads = 0
        self.creating = False
        self.live = sys.stderr.isatty()
        self.began = self.said = time.monotonic()
        self.waiting_for = ""
        self.notes: set[str] = set()
        self._show(f"innerloop: {doing} ...")

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "sign-in":
                self.line(event["text"])
            case "note":
                if event["text"] not in self.notes:
                    self.notes.add(event["text"])
                    self.line(f"innerloop: Azure ML says: {event['text']}")
            case "creating":
                self.creating = True
            case "said":
                self.line(f"innerloop: {event['text']}")
            case "sent":
                self.sent = event["bytes"]
                self._progress()
            case "asking":
                self._asking(event)
            case "answered":
                self._answered(event)

    def line(self, text: str) -> None:
        """A line of its own, above the one that moves."""
        self._clear()
        say(text)

    def end(self) -> None:
        self._clear()

    def _asking(self, event: Mapping[str, Any]) -> None:
        if event["method"] == "PUT" and ".blob." in event["host"]:
            self.uploads += 1
        self.creating = self.creating or (event["method"] == "PUT" and "/jobs/" in event["path"])
        if self.waiting_for == f"{event['method']} {event['host']}{event['path']}":
            self.line(f"innerloop: no answer from {event['host']}; trying again")
        self.waiting_for = f"{event['method']} {event['host']}{event['path']}"

    def _answered(self, event: Mapping[str, Any]) -> None:
        self.waiting_for = ""
        if event["status"] == 429 or event["status"] >= 500:
            wait = f", and asks to wait {event['wait']} s" if event["wait"] else ""
            self.line(f"innerloop: Azure answered {event['status']}{wait}; trying again")

    def _progress(self) -> None:
        now = time.monotonic()
        due = 0.1 if self.live else self.every
        if now - self.began > 2 and now - self.said > due:
            self.said = now
            done = min(self.sent, self.total) if self.total else self.sent
            of = f" of {megabytes(self.total)}" if self.total else ""
            self._show(f"innerloop: {self.doing}: {megabytes(done)}{of}")

    def _show(self, text: str) -> None:
        if not self.live:
            say(text)
            return
        width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def megabytes(size: int) -> str:
    """In MB as Azure counts them (10^6), small sizes in kB."""
    if size < 100_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def files_of(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def say_secrets(suspects: Sequence[tuple[str, Suspect]]) -> None:
    """Where they are, a line for each; each comes with the folder of its snapshot."""
    for folder, one in suspects:
        line = f":{one.line}" if one.line else ""
        say(f"{one.below(folder)}{line}: looks like a secret: {one.why}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
