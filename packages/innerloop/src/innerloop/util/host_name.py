"""The name of this machine."""

from __future__ import annotations

import os


def host_name() -> str:
    """As `socket.gethostname`, whose import takes longer than most requests to an engine."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()
