"""Ports of this machine."""

from __future__ import annotations

import socket


def free(wanted: int) -> int:
    """The port asked for if nobody listens on it at 127.0.0.1, else another one that is free."""
    for port in (wanted, 0):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(one.getsockname()[1])
    return wanted
