"""What an editor says to a debugger as it leaves: stop the run, start it again, or only leave. Pure.

One `DebugMessages` reads the messages of one connection in both directions. The editor says Stop and
Restart by a request that this side answers itself, so that the debugged program does not go on for
a moment; everything else passes unchanged.

Source: the Debug Adapter Protocol (base protocol; the requests `disconnect` and `terminate`, the
event `terminated`, the capability `supportTerminateDebuggee`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

Farewell = Literal["stop", "restart", "leave"]

# The largest header and the largest message that are read, in bytes. Beyond, bytes only pass.
LARGEST_HEADER = 4096
LARGEST_MESSAGE = 64 * 1024 * 1024

_LENGTH = late_pattern(rb"^Content-Length: *(\d{1,9})\r?$", re.IGNORECASE | re.MULTILINE)


def farewell_of(message: Mapping[str, Any], *, has_ended: bool) -> Farewell | None:
    """What a message of the editor says about the run; None for all that does not end a session.

    `has_ended` says that the debugger reported the end of this connection's process before, or
    refused to attach: then the editor only closes its session, and the run has more to do.

    VS Code's Stop and Disconnect set `terminateDebuggee`. A window that is reloaded or closed sends
    `disconnect` without it.
    """
    if message.get("type") != "request":
        return None
    command, arguments = message.get("command"), message.get("arguments")
    arguments = arguments if isinstance(arguments, dict) else {}
    if command not in ("disconnect", "terminate"):
        return None
    if arguments.get("restart") is True:
        return "restart"
    if has_ended:
        return None
    if command == "disconnect" and not isinstance(arguments.get("terminateDebuggee"), bool):
        return "leave"
    return "stop"


def reply(message: Mapping[str, Any]) -> bytes:
    """The answer that grants a request."""
    return framed(
        {
            "seq": 0,
            "type": "response",
            "request_seq": message.get("seq"),
            "success": True,
            "command": message.get("command"),
        }
    )


def framed(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message).encode("utf-8")
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@dataclass(slots=True)
class _Frames:
    """Cuts a stream of bytes into messages, however the bytes arrive."""

    rest: bytes = b""
    is_foreign: bool = False

    def add(self, data: bytes) -> list[tuple[bytes, dict[str, Any]]]:
        """The complete messages, each as its bytes and its value.

        From the first bytes that are no message on, all bytes come back with an empty value.
        """
        self.rest += data
        messages: list[tuple[bytes, dict[str, Any]]] = []
        while self.rest:
            end = 0 if self.is_foreign else self._end()
            if end is None:
                break
            if not end:
                self.is_foreign = True
                end = len(self.rest)
            frame, self.rest = self.rest[:end], self.rest[end:]
            messages.append((frame, {} if self.is_foreign else _value(frame)))
        return messages

    def _end(self) -> int | None:
        """Where the first message ends; None if more is to come, 0 if it is no message."""
        head, separator, _ = self.rest.partition(b"\r\n\r\n")
        if not separator:
            return None if len(self.rest) <= LARGEST_HEADER else 0
        length = _LENGTH.search(head)
        if length is None or int(length[1]) > LARGEST_MESSAGE:
            return 0
        end = len(head) + len(separator) + int(length[1])
        return end if end <= len(self.rest) else None


def _value(frame: bytes) -> dict[str, Any]:
    try:
        value = json.loads(frame.partition(b"\r\n\r\n")[2])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _ends_session(message: Mapping[str, Any]) -> bool:
    if message.get("type") == "event":
        return message.get("event") == "terminated"
    is_start = message.get("type") == "response" and message.get("command") in ("attach", "launch")
    return is_start and message.get("success") is not True


@dataclass(slots=True)
class DebugMessages:
    """The messages of one connection, and how the editor left it: None while it has not."""

    farewell: Farewell | None = None
    _requests: _Frames = field(default_factory=_Frames)
    _events: _Frames = field(default_factory=_Frames)
    _has_ended: bool = False

    def from_editor(self, data: bytes) -> tuple[bytes, bytes]:
        """The bytes for the debugger, and those for the editor."""
        forwarded, answers = b"", b""
        for frame, message in self._requests.add(data):
            farewell = farewell_of(message, has_ended=self._has_ended)
            self.farewell = self.farewell or farewell
            if farewell in ("stop", "restart"):
                answers += reply(message)
            else:
                forwarded += frame
        return forwarded, answers

    def from_debugger(self, data: bytes) -> None:
        for _, message in self._events.add(data):
            self._has_ended = self._has_ended or _ends_session(message)
