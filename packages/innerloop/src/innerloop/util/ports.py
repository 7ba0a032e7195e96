"""Ports of this machine."""

from __future__ import annotations

import socket


def free(preferred: int) -> int:
    """The preferred port if it is free on 127.0.0.1, else another free one."""
    for port in (preferred, 0):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(attempt.getsockname()[1])
    return preferred
