"""Locks of this machine's GPUs: who takes one keeps it until its process ends, however it ends.

On Linux a lock is an address of the abstract socket namespace: it leaves no file behind, counts for
all users of the machine, and the kernel takes it back. Elsewhere it is a locked file in this user's
cache. A container has a namespace of its own, so what runs inside of one is not seen outside.

Source: unix(7), "Abstract sockets".
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable

from . import files
from .cache_folder import cache_folder

_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")
Release = Callable[[], object]


def take(name: str) -> Release | None:
    """Take it, or None if another process has it, or this one.

    Returns what gives it back; the end of this process does so, too.
    """
    plain = _PLAIN.sub("_", name)[:80]
    if sys.platform == "linux":
        return _address(plain)
    return files.locked_now(cache_folder() / "devices" / f"{plain}.lock")


def is_taken(name: str) -> bool:
    """Whether some process has it now."""
    release = take(name)
    if release is None:
        return True
    release()
    return False


def _address(name: str) -> Release | None:
    """Programs that are started do not inherit it: sockets of Python are closed by exec."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(b"\0innerloop-device-" + os.fsencode(name))
    except OSError:
        lock.close()
        return None
    return lock.close
