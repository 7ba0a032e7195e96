"""Heartbeats of the worker while it computes, and the number of bytes that it has sent."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from ...worker.protocol import Emit
from .azure_errors import is_storage

# Seconds between two heartbeats, and the CPU seconds in between from which one is sent.
INTERVAL, BUSY = 5.0, 0.05
_HEAD = re.compile(rb"(?:PUT|GET|HEAD|POST|PATCH|DELETE|CONNECT) \S+ HTTP/1\.[01]\r\n")


class Heartbeat:
    """Counts the bytes of content sent to a blob store, without the heads of requests.

    Of many small files the heads are most of what is sent. Python reports each piece that a connection sends (the audit event http.client.send), so Azure's
    client needs no patch. While the client computes (it reads all data once before it sends any)
    there are heartbeats; while it only waits there are none.
    """

    def __init__(self, emit: Emit, every: float = INTERVAL) -> None:
        self.emit = emit
        self.every = every
        self.sent = 0
        self.reported = 0
        self.ended = threading.Event()
        threading.Thread(target=self._report, daemon=True).start()

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """For sys.addaudithook."""
        if event != "http.client.send":
            return
        connection, piece = args
        tunnel = getattr(connection, "_tunnel_host", None)
        host = tunnel or getattr(connection, "host", "") or ""
        if is_storage(host) and not _HEAD.match(bytes(piece[:4096])):
            self.sent += len(piece)

    def close(self) -> None:
        self.ended.set()
        self.report()

    def _report(self) -> None:
        last, cpu = time.monotonic(), time.process_time()
        while not self.ended.wait(0.1):
            self.report()
            if time.monotonic() - last > self.every:
                if time.process_time() - cpu > BUSY:
                    self.emit("heartbeat")
                last, cpu = time.monotonic(), time.process_time()

    def report(self) -> None:
        """Emits the number of bytes sent, if it has changed."""
        if self.sent != self.reported:
            self.reported = self.sent
            self.emit("uploaded", bytes=self.reported)
