"""How a worker talks to who started it: requests are JSON lines on stdin, events JSON lines on what
was stdout. Whatever else its libraries print goes to stderr, which nobody sees but in a fault's
report. It ends when its stdin closes, so it never outlives who started it."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

Tell = Callable[..., None]


def requests() -> Callable[[], Mapping[str, Any]]:
    """What waits for the next request."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    return lambda: json.loads(lines.get())


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # at once, also in the middle of something: nobody waits for it any more


def voice(scrub: Callable[[str], str]) -> Tell:
    """Writes one event a line; prints of libraries go to stderr from here on."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(event: str, **words: Any) -> None:
        # What the job itself printed is its own, and an address was asked for by name; everything
        # else is ours to keep clean.
        said = words if event in ("log", "address") else _scrubbed(words, scrub)
        with lock:
            out.write(json.dumps({"event": event, **said}) + "\n")
            out.flush()

    return tell


def _scrubbed(value: Any, scrub: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(one, scrub) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(one, scrub) for one in value]
    return scrub(value) if isinstance(value, str) else value
