"""Asks host.py, from inside of Wine."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

PORT = "WINE_HOST"
_connection: dict[int, Any] = {}


def ask(operation: str, path: str, **more: Any) -> Any:
    """The answer for a path; OSError where the operation fails."""
    own = os.getpid()
    if own not in _connection:
        address = ("127.0.0.1", int(os.environ[PORT]))
        _connection[own] = socket.create_connection(address).makefile("rwb")
    stream = _connection[own]
    request = {"operation": operation, "path": path, **more}
    stream.write(json.dumps(request).encode() + b"\n")
    stream.flush()
    answer = json.loads(stream.readline())
    if "errno" in answer:
        raise OSError(answer["errno"], answer["text"], path)
    return answer["value"]
