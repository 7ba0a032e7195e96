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
    a request that takes longer than 2 seconds. `total` is in bytes and `files` the number of files,
    0 if not known. `sent` counts bytes of content, `uploads` the requests that wrote blobs, `blobs`
    those that arrived; `code_arrived` is set when the service has the uploaded code.

    `unrefused` counts the requests that may have created the job: those that were sent and not
    refused. It begins above 0 for a submission that continues after one of unknown outcome.
    """

    def __init__(
        self, doing: str, total: int = 0, every: float = 5.0, *, files: int = 0, unrefused: int = 0
    ) -> None:
        self.doing = doing
        self.total = total
        self.files = files
        self.every = every
        self.sent = 0
        self.uploads = 0
        self.blobs: set[str] = set()
        self.code_arrived = False
        self.unrefused = unrefused
        self.live = sys.stderr.isatty()
        self.started = self.printed = time.monotonic()
        self.unanswered: set[str] = set()
        self.notes: set[str] = set()
        self._show(f"innerloop: {doing} ...")

    @property
    def may_exist(self) -> bool:
        """Whether the job may exist, as far as is known here."""
        return self.unrefused > 0

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "sign-in":
                self.line(event["text"])
            case "note":
                if event["text"] not in self.notes:
                    self.notes.add(event["text"])
                    self.line(f"innerloop: Azure ML says: {event['text']}")
            case "creating":
                self.unrefused += 1
            case "not-created":
                self.unrefused = max(self.unrefused - 1, 0)
            case "absent":
                self.unrefused = 0
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
        """The blocks of one file have one address; only the same operation is a second attempt."""
        if event["method"] == "PUT" and is_blob_host(event["host"]):
            self.uploads += 1
        operation = event["id"]
        if operation and operation in self.unanswered:
            self.line(f"innerloop: no answer from {event['host']}; trying again")
        self.unanswered.add(operation)

    def _on_response(self, event: Mapping[str, Any]) -> None:
        self.unanswered.discard(event["id"])
        if event["tries"]:
            wait = f", and asks to wait {event['wait']} s" if event["wait"] else ""
            self.line(f"innerloop: Azure answered {event['status']}{wait}; trying again")
        if event["method"] == "PUT" and event["status"] < 300:
            if is_blob_host(event["host"]):
                self.blobs.add(event["path"])
            elif "/codes/" in event["path"]:
                self.code_arrived = True

    def _progress(self) -> None:
        now = time.monotonic()
        interval = 0.1 if self.live else self.every
        if now - self.started > 2 and now - self.printed > interval:
            self.printed = now
            self._show(f"innerloop: {self.doing}: {self.describe_sent()}")

    def describe_sent(self) -> str:
        """Bytes and files that were sent, of how many. An upload that is repeated counts once."""
        done = min(self.sent, self.total) if self.total else self.sent
        text = format_size(done) + (f" of {format_size(self.total)}" if self.total else "")
        if self.files > 1:
            text += f", {min(len(self.blobs), self.files):,} of {self.files:,} files"
        return text

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


def is_blob_host(host: str) -> bool:
    return ".blob." in host or ".dfs." in host


def format_size(size: int) -> str:
    """Bytes in MB as Azure counts them (10^6), small sizes in kB."""
    if size < 100_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def count_files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
