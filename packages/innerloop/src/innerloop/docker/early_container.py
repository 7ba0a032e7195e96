"""A container that is created while its run is still being prepared, and started by that run alone.

To create it takes an engine about as long as Python needs to get ready, and nothing of it runs. One
that no run takes is removed. There is at most one in a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..util import files
from . import engine_socket

# How long an engine that does not answer is waited for at the end, in seconds.
_LAST = 5.0


class _EarlyContainer:
    """`id` is "" for one that could not be created; `folders` were made for its mounts."""

    def __init__(
        self,
        socket_path: str,
        name: str,
        body: Mapping[str, Any],
        folders: Sequence[Path],
        forget: Callable[[], object],
    ) -> None:
        self.socket_path = socket_path
        self.name = name
        self.body = body
        self.folders = folders
        self.forget = forget
        self.id = ""
        self.thread = threading.Thread(target=self._create, daemon=True)
        self.thread.start()

    def _create(self) -> None:
        target = f"/containers/create?name={quote(self.name)}"
        with suppress(OSError, ValueError, TypeError, KeyError):
            self.id = str(self._ask("POST", target, self.body)["Id"])

    def _ask(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> Any:
        return engine_socket.request(self.socket_path, method, target, body, timeout=None).value

    def remove(self) -> None:
        self.thread.join(_LAST)
        if self.id:
            with suppress(OSError, ValueError):
                self._ask("DELETE", f"/containers/{self.id}?v=1&force=1")


_waiting: list[_EarlyContainer] = []


@contextmanager
def removed_unless_taken() -> Iterator[None]:
    """Within, a container may be created early; one that was not taken is removed at the end."""
    try:
        yield
    finally:
        while _waiting:
            early = _waiting.pop()
            early.remove()
            for folder in early.folders:
                files.remove_if_empty(folder)
                files.remove_if_empty(folder.parent)
            early.forget()


def begin(
    socket_path: str,
    name: str,
    body: Mapping[str, Any],
    folders: Sequence[Path] = (),
    forget: Callable[[], object] = lambda: None,
) -> None:
    """Create a container in a thread, for whoever takes it.

    `folders` are those that were made for its mounts: they go with a container that nobody takes, and
    then `forget` is called.
    """
    _waiting.append(_EarlyContainer(socket_path, name, body, folders, forget))


def take(name: str, body: Mapping[str, Any]) -> str:
    """The id of the container that was created with this name and body, "" without one.

    Another container of this name is removed: the caller creates its own.
    """
    while _waiting:
        early = _waiting.pop()
        early.thread.join()
        if (early.name, early.body) == (name, body):
            return early.id
        early.remove()
    return ""
