"""HTTP over the engine's Unix socket: one request, a stream that is opened, an answer that comes late.

Source: Docker Engine API v1.41; "Attach to a container" has the format of the stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from ..util.quick_dataclasses import dataclass

# The standard library's `socket` makes classes of all constants, which takes longer than a request.
if TYPE_CHECKING:
    import socket
else:
    try:
        import _socket as socket
    except ImportError:  # a Python that was built in another way
        import socket

# Head of a part of the stream: which output it is of, three zeros, its length.
_HEAD = 8
CHUNK = 65536


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the engine's API: the status, the JSON, and the header `Server`."""

    code: int
    value: Any
    server: str = ""


def request(
    socket_path: str,
    method: str,
    target: str,
    body: Mapping[str, Any] | None = None,
    *,
    timeout: float | None,
) -> ApiAnswer:
    """One request. OSError and ValueError for an engine that does not answer as one.

    HTTP/1.0: the body ends where the connection does.
    """
    with closing(_connected(socket_path, timeout)) as connection:
        _send(connection, method, target, "1.0", body)
        return _whole_answer(connection, b"")


class LateAnswer:
    """A request whose answer begins at once, and whose body comes when something has happened."""

    def __init__(self, socket_path: str, method: str, target: str) -> None:
        """Returns when the engine has begun to answer."""
        self._connection = _connected(socket_path, None)
        try:
            _send(self._connection, method, target, "1.0", {})
            self._head, self._body = _read_head(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def wait(self) -> ApiAnswer:
        with closing(self._connection):
            return _whole_answer(self._connection, self._head + b"\r\n\r\n" + self._body)


class Stream:
    """A connection to a container's terminal or to its standard streams.

    `is_raw`: the output is one stream as it is; otherwise its parts have heads that say of which
    one they are.
    """

    def __init__(self, socket_path: str, target: str, *, is_raw: bool) -> None:
        self._is_raw = is_raw
        self._connection = _connected(socket_path, None)
        try:
            upgrade = {"Upgrade": "tcp", "Connection": "Upgrade"}
            _send(self._connection, "POST", target, "1.1", {}, upgrade)
            head, self._first = _read_head(self._connection)
            if _status(head) not in (101, 200):
                raise ConnectionError("the engine attaches to no container")
        except BaseException:
            self._connection.close()
            raise

    def outputs(self) -> Iterator[tuple[int, bytes]]:
        """(1 for stdout or 2 for stderr, bytes) as they come, to the end of the stream."""
        parts = Demultiplexer()
        with closing(self._connection):
            chunk = self._first or self._connection.recv(CHUNK)
            while chunk:
                yield from [(1, chunk)] if self._is_raw else parts.of(chunk)
                chunk = self._connection.recv(CHUNK)

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close_input(self) -> None:
        """The program reads the end of its stdin."""
        self._connection.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """End what another thread reads of it.

        Whoever reads from the connection closes it: a number that is free is given again.
        """
        with suppress(OSError):  # it has ended
            self._connection.shutdown(socket.SHUT_RDWR)


class Demultiplexer:
    """Takes the parts of a stream apart, wherever the chunks that come end."""

    def __init__(self) -> None:
        self._head = b""
        self._number = 1
        self._left = 0

    def of(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """(stream, bytes) of a chunk. Never waits for the rest of a part."""
        view = memoryview(chunk)
        while view:
            if self._left == 0:
                missing = _HEAD - len(self._head)
                self._head += bytes(view[:missing])
                view = view[missing:]
                if len(self._head) < _HEAD:
                    return
                self._number = self._head[0]
                self._left = int.from_bytes(self._head[4:], "big")
                self._head = b""
                continue  # a part may be empty
            part = bytes(view[: self._left])
            view = view[len(part) :]
            self._left -= len(part)
            yield (2 if self._number == 2 else 1), part


def _connected(socket_path: str, timeout: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(socket_path)
    except BaseException:
        connection.close()
        raise
    return connection


def _send(
    connection: socket.socket,
    method: str,
    target: str,
    version: str,
    body: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
) -> None:
    lines = [f"{method} {target} HTTP/{version}", "Host: docker"]
    content = b""
    if body is not None:
        content = json.dumps(body).encode() if body else b""
        lines += ["Content-Type: application/json"] * bool(body)
        lines.append(f"Content-Length: {len(content)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The answer's head, and what came with it of its body."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        if not (chunk := connection.recv(CHUNK)):
            raise ConnectionError("the engine ended the connection")
        answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def _status(head: bytes) -> int:
    """ValueError for what is no answer, such as the end of the connection."""
    return int((*head.split(b" ", 2), b"", b"")[1])


def _whole_answer(connection: socket.socket, answer: bytes) -> ApiAnswer:
    while chunk := connection.recv(CHUNK):
        answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    _, *headers = head.decode("latin-1").split("\r\n")
    names = {name.lower(): value for name, _, value in (line.partition(":") for line in headers)}
    server = names.get("server", "").strip()
    return ApiAnswer(_status(head), json.loads(body or b"null"), server)
