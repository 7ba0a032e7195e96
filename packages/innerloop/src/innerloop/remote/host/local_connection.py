"""A "connection" to this machine itself, for what else reaches one by ssh: a cluster's login node."""

from __future__ import annotations

from collections.abc import Iterable

from ...util import process
from ...util.process import CompletedCommand, OutputStream


class LocalConnection:
    """The functions of `SshConnection` by a shell of this machine. It is never lost."""

    host = ""
    is_local = True
    socket = ""
    opened = 1

    def close(self) -> None:
        """There is nothing to close."""

    def begin(self) -> None:
        """There is nothing to connect."""

    def argv(self, command: str) -> list[str]:
        """The words that start a shell command."""
        return ["sh", "-c", command]

    def note_file(self, path: str) -> bool:
        return False

    def run(self, command: str, *, timeout: float | None = None) -> CompletedCommand:
        return process.run(self.argv(command), timeout=timeout)

    def feed(self, command: str, chunks: Iterable[bytes]) -> CompletedCommand:
        return process.feed(self.argv(command), chunks)

    def stream(self, command: str) -> OutputStream:
        return OutputStream(self.argv(command))
