"""Keeps a download of the client in its folder, whatever names the service's files have.

The client joins a blob's name to the folder as it is. The interpreter's audit events say which file
is about to be written: one that is named below the folder and lies elsewhere ends the download.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Event -> which of its arguments are changed paths.
_EVENTS = {"os.mkdir": (0,), "os.rename": (0, 1), "os.symlink": (1,), "os.link": (0, 1)}
_folders: list[str] = []


class EscapingName(ValueError):
    """A file of the service is named so that it would be written outside of the folder."""


@contextmanager
def confined_to(folder: str) -> Iterator[None]:
    """Within, nothing that is named below the folder is written outside of it. In all threads."""
    _listen()
    _folders.append(os.path.abspath(folder))
    try:
        yield
    finally:
        _folders.pop()


@functools.cache
def _listen() -> None:
    """A hook cannot be taken back, so it does nothing while no folder is named."""
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _folders:
        return
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITING:
        _check(args[0])
    for index in _EVENTS.get(event, ()):
        _check(args[index])


def _check(path: Any) -> None:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    name, folder = os.path.join(os.getcwd(), os.fsdecode(path)), _folders[-1]
    if not name.startswith(folder + os.sep):
        return
    parent = os.path.join(os.path.realpath(os.path.dirname(name)), "")
    escapes = ".." in name.replace("\\", "/").split("/")
    if escapes or not parent.startswith(os.path.join(os.path.realpath(folder), "")):
        raise EscapingName(f"a file of the service leads out of its folder: {name!a}")
