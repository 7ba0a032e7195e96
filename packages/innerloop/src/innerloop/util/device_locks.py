"""Locks of this machine, as of its GPUs: who takes one has it until its process ends, however it ends.

On Linux a lock is an address of the abstract socket namespace: it leaves no file behind, counts for
all users of the machine, and the kernel takes it back. Elsewhere it is a locked file in this user's
cache. A container has a namespace of its own, so what runs inside of one is not seen outside.

Source: unix(7), "Abstract sockets"; proc(5), /proc/net/unix, which lists those of all users.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from . import files
from .cache_folder import cache_folder
from .late_patterns import late_pattern

_PLAIN = late_pattern(r"[^A-Za-z0-9_.-]")
_PREFIX = "innerloop-device-"
_ADDRESSES = Path("/proc/net/unix")
# The longest name of a lock: an address has 107 bytes.
LONGEST = 80
# A file of a lock that nobody has held for so many seconds is removed.
_FORGOTTEN = 86400.0
Release = Callable[[], object]
# This process's locks by their names. Held on to here: the end of a value must not give one back.
_HELD: dict[str, socket.socket | IO[bytes]] = {}


def take(name: str) -> Release | None:
    """Take it, or None if another process has it, or this one.

    Returns what gives it back; the end of this process does so, too.
    """
    plain = plain_name(name)
    lock: socket.socket | IO[bytes] | None = _address(plain) if sys.platform == "linux" else None
    if sys.platform != "linux":
        lock = files.locked_now(_folder() / f"{plain}.lock")
    if lock is None:
        return None
    _HELD[plain] = lock

    def release() -> None:
        if _HELD.get(plain) is lock:
            del _HELD[plain]
        lock.close()

    return release


def held() -> tuple[int, ...]:
    """The open files of this process's locks: a program that inherits them has the locks, too."""
    return tuple(lock.fileno() for lock in _HELD.values())


def plain_name(name: str) -> str:
    """The name as `taken` lists it."""
    return _PLAIN.sub("_", name)[:LONGEST]


def taken(prefix: str) -> frozenset[str]:
    """The names of the locks that somebody has and that begin with the prefix.

    Nothing is taken to find that out on Linux. Elsewhere each is tried for a moment.
    """
    if sys.platform != "linux":
        return frozenset(_locked_files(prefix))
    try:
        lines = _ADDRESSES.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    start = f"@{_PREFIX}"
    words = (line.rpartition(" ")[2] for line in lines)
    names = (word.removeprefix(start) for word in words if word.startswith(start))
    return frozenset(name for name in names if name.startswith(prefix))


def _folder() -> Path:
    return cache_folder() / "devices"


def _locked_files(prefix: str) -> list[str]:
    """The locked files of this user; one that is old and free is removed."""
    found = []
    for path in _folder().glob(f"{prefix}*.lock") if _folder().is_dir() else ():
        if (lock := files.locked_now(path)) is None:
            found.append(path.stem)
            continue
        lock.close()
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _FORGOTTEN:
                files.remove(path)
    return found


def _address(name: str) -> socket.socket | None:
    """Programs that are started do not inherit it: sockets of Python are closed by exec."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(b"\0" + os.fsencode(_PREFIX + name))
    except OSError:
        lock.close()
        return None
    return lock
