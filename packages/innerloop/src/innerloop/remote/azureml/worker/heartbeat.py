"""Signs of life of the worker: the bytes it sends, and that it computes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

Tell = Callable[..., None]
# Seconds between two beats, and how many of them must have been spent computing.
BEAT, BUSY = 5.0, 0.05


class Pulse:
    """Counts what goes to a blob store, as it goes: Python itself reports each piece that a
    connection sends (the audit event http.client.send), so Azure's client stays as it is. While the
    client computes (it reads all data once before it sends any) there is a beat now and then; one
    that only waits has none."""

    def __init__(self, tell: Tell, every: float = BEAT) -> None:
        self.tell = tell
        self.every = every
        self.sent = 0
        self.told = 0
        self.ended = threading.Event()
        threading.Thread(target=self._report, daemon=True).start()

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """For sys.addaudithook."""
        if event != "http.client.send":
            return
        line, piece = args
        host = getattr(line, "_tunnel_host", None) or getattr(line, "host", "") or ""
        if ".blob." in host or ".dfs." in host:
            self.sent += len(piece)

    def close(self) -> None:
        self.ended.set()
        self.say()

    def _report(self) -> None:
        beat, computed = time.monotonic(), time.process_time()
        while not self.ended.wait(0.1):
            self.say()
            if time.monotonic() - beat > self.every:
                if time.process_time() - computed > BUSY:
                    self.tell("beat")
                beat, computed = time.monotonic(), time.process_time()

    def say(self) -> None:
        """Tells what has been sent since the last time."""
        if self.sent != self.told:
            self.told = self.sent
            self.tell("sent", bytes=self.told)
