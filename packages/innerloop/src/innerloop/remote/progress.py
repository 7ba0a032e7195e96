"""What a worker reports while it talks to a service, as lines on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ..util.printable import one_line, raw


class TransferProgress:
    """Prints a worker's events.

    It prints a line that changes in place on a terminal, otherwise a line every `every` seconds for
    a request that takes longer than 2 seconds. `total` is in bytes, 0 if not known. `sent` counts
    bytes, `uploads` the blobs that were written; `creating` is set once the service was asked to
    create the job.
    """

    def __init__(self, doing: str, total: int = 0, every: float = 5.0) -> None:
        self.doing = doing
        self.total = total
        self.every = every
        self.sent = 0
        self.uploads = 0
        self.creating = False
        self.live = sys.stderr.isatty()
        self.started = self.printed = time.monotonic()
        self.pending = ""
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
            case "message":
                self.line(f"innerloop: {event['text']}")
            case "uploaded":
                self.sent = event["bytes"]
                self._progress()
            case "request":
                self._on_request(event)
            case "response":
                self._on_response(event)

    def line(self, text: str) -> None:
        """Prints a line of its own, above the one that changes."""
        self._clear()
        say(text)

    def close(self) -> None:
        self._clear()

    def _on_request(self, event: Mapping[str, Any]) -> None:
        if event["method"] == "PUT" and ".blob." in event["host"]:
            self.uploads += 1
        self.creating = self.creating or (event["method"] == "PUT" and "/jobs/" in event["path"])
        request = f"{event['method']} {event['host']}{event['path']}"
        if self.pending == request:
            self.line(f"innerloop: no answer from {event['host']}; trying again")
        self.pending = request

    def _on_response(self, event: Mapping[str, Any]) -> None:
        self.pending = ""
        if event["status"] == 429 or event["status"] >= 500:
            wait = f", and asks to wait {event['wait']} s" if event["wait"] else ""
            self.line(f"innerloop: Azure answered {event['status']}{wait}; trying again")

    def _progress(self) -> None:
        now = time.monotonic()
        interval = 0.1 if self.live else self.every
        if now - self.started > 2 and now - self.printed > interval:
            self.printed = now
            done = min(self.sent, self.total) if self.total else self.sent
            of = f" of {format_size(self.total)}" if self.total else ""
            self._show(f"innerloop: {self.doing}: {format_size(done)}{of}")

    def _show(self, text: str) -> None:
        if not self.live:
            say(text)
            return
        width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
        raw(sys.stderr).write(f"\r\x1b[K{one_line(text)[:width]}")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self.live:
            raw(sys.stderr).write("\r\x1b[K")
            sys.stderr.flush()


def format_size(size: int) -> str:
    """Bytes in MB as Azure counts them (10^6), small sizes in kB."""
    if size < 100_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def count_files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
