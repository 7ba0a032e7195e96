"""The protocol of a worker process.

Requests are JSON lines on stdin, events JSON lines on what was stdout. Prints of its libraries go
to stderr, which is shown in an error report only. The worker ends when its stdin closes, so it
never outlives the process that started it.

Events, each with its fields:

    heartbeat           the worker is alive
    sign-in             text: how to sign in
    signed-in           by: the credential that answered
    note, message       text: a warning of the library; a line for the user
    creating            a request that creates the job is sent: from here on the job may exist
    not-created         the service's answer: that request created nothing
    absent              the service's answer: the job of an earlier attempt does not exist
    request, response   id (of the operation, the same when it is tried again), method, host, path;
                        status, wait (seconds), tries (whether the client tries it again)
    uploaded            bytes: how many have been sent so far
    state               of: a step's name or "", state: the job's new status
    log                 of, file, text: what a program printed
    address             what a command asked for by name: not scrubbed
    done                value: the answer; the last event of a request
    error               code, what, hint, again, trace: the request failed; the last event
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Emit = Callable[..., None]

# What to do about a failure on the way: folders go again from their start, whole ones do not.
AGAIN = "Run it again: what has arrived whole is not sent again"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception of a library, explained.

    `code` names the kind of error; each backend lists its own codes. `hint` says how to repair the
    cause, `again` when and how to repeat the command: that is left out after a job was sent.
    """

    code: str
    what: str
    hint: str = ""
    again: str = ""


def requests() -> Callable[[], Mapping[str, Any]]:
    """A function that waits for the next request."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    return lambda: json.loads(lines.get())


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # immediately, even within a request: nobody reads the answer any more


def event_writer(scrub: Callable[[str], str]) -> Emit:
    """A function that writes one event per line; from here on, prints of libraries go to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def emit(event: str, **fields: Any) -> None:
        # What the job printed is the user's, and an address was asked for by name. All other text
        # is scrubbed of secrets.
        clean = fields if event in ("log", "address") else _scrub_values(fields, scrub)
        with lock:
            out.write(json.dumps({"event": event, **clean}) + "\n")
            out.flush()

    return emit


def _scrub_values(value: Any, scrub: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _scrub_values(item, scrub) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrub_values(item, scrub) for item in value]
    return scrub(value) if isinstance(value, str) else value
