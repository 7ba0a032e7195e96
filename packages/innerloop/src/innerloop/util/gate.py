"""A port of this machine that only this user can use.

The gate listens at 127.0.0.1, asks the operating system whose process connects, closes what is not
this user's, and hands the rest to a relay: a program that has the other side of all connections, in
a container or on this machine (in_env_scripts/debugger/relay.py). So what is behind the gate needs no
port of its own that others could reach.
"""

from __future__ import annotations

import os
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from . import peers, process
from .errors import UserError
from .quick_dataclasses import dataclass

# Opens ports also where the operating system does not say who connects.
OPEN_PORTS = "INNERLOOP_OPEN_PORTS"

# The frames of the relay: see relay.py, which has the same.
HEADER = struct.Struct("!BII")
OPEN, DATA, CLOSE, READY = range(4)
LARGEST = 65536

# Seconds between two attempts to start the relay: the container is being started.
RETRY = 0.3
# Seconds within which a relay must answer, else another one is started.
STUCK = 10.0
# Seconds for which a connection waits for a relay that was started: a run starts again meanwhile.
PATIENCE = 120.0
# Seconds that the last bytes have to reach the client when the gate closes.
LAST = 1.0


@dataclass(frozen=True, slots=True)
class RelayCommand:
    """The program behind a gate. `env` are variables that it gets in addition.

    `marker` is the line after which its frames begin, "" where they begin at once.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    marker: str = ""


class Conversation(Protocol):
    """Reads what passes through one connection, and may change what the client sends."""

    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        """The bytes that go on, and an answer for the client."""

    def from_behind(self, data: bytes) -> None: ...

    def keeps_open(self) -> bool:
        """Whether what is behind the gate does not hear that the client has closed."""


def require_peers(what: str) -> None:
    """UserError where this machine cannot say who connects, unless OPEN_PORTS is set."""
    if os.environ.get(OPEN_PORTS) == "1" or not (reason := peers.why_unknown()):
        return
    raise UserError(
        f"{what} would be open to every user of this machine: {reason}",
        code="port-unprotected",
        hint=f"Set {OPEN_PORTS}=1 if nobody else uses this machine",
    )


@contextmanager
def opened(
    port: int,
    relay: RelayCommand | None,
    what: str,
    say: Callable[[str], None],
    converse: Callable[[], Conversation] | None = None,
) -> Iterator[Gate]:
    """Within, `what` answers at 127.0.0.1:`port`, to this user alone.

    `say` gets a line for each other user who tries. UserError if the port is taken. Without a
    `relay`, connections wait for the first one that the gate gets.
    """
    listener = _listen(port, what)
    gate = Gate(port, relay, what, say, converse)
    threads = [
        threading.Thread(target=gate.accept_all, args=(listener,), daemon=True),
        threading.Thread(target=gate.keep_relay, daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield gate
    finally:
        with suppress(OSError):  # wakes up accept
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        gate.close()


def _listen(port: int, what: str) -> socket.socket:
    listener = socket.socket()
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UserError(
            f"{what} cannot listen at 127.0.0.1:{port}: {error.strerror}",
            code="port-taken",
            hint="Stop what uses that port, or choose another",
        ) from error
    return listener


class _Connection:
    """A client's connection. What is for it is written by a thread: a slow client delays no other."""

    def __init__(self, connection: socket.socket, conversation: Conversation | None) -> None:
        self._connection = connection
        self.conversation = conversation
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def send(self, data: bytes) -> None:
        self._queue.put(data)

    def end(self) -> None:
        """Close it after what was sent has been written."""
        self._queue.put(None)

    def _write(self) -> None:
        with suppress(OSError):  # the client was first
            while (data := self._queue.get()) is not None:
                self._connection.sendall(data)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def has_marker(child: process.Pipes, marker: str) -> bool:
    """Read up to the end of the marker's line. Whether it came."""
    line = b""
    while marker and line.strip() != marker.encode():
        line = b""
        while not line.endswith(b"\n"):
            if not (letter := child.read(1)):
                return False
            line += letter
    return True


class Gate:
    """An open gate. What is behind it may be exchanged: meanwhile, new connections wait."""

    def __init__(
        self,
        port: int,
        relay: RelayCommand | None,
        what: str,
        say: Callable[[str], None],
        converse: Callable[[], Conversation] | None = None,
    ) -> None:
        self.port, self.relay, self.what, self.say = port, relay, what, say
        self.converse = converse
        self.has_relay = threading.Event()
        self.refused: set[str] = set()
        self.connections: dict[int, _Connection] = {}
        self.lock = threading.Lock()
        self.writing = threading.Lock()
        self.child: process.Pipes | None = None
        self.ready = threading.Event()
        self.ending = threading.Event()
        self.last = 0
        if relay is not None:
            self.has_relay.set()

    def use(self, relay: RelayCommand) -> None:
        """From now on, connections go to this relay."""
        self.relay = relay
        self.has_relay.set()

    def hold(self) -> None:
        """From now on, new connections wait for the next relay."""
        self.has_relay.clear()
        self.ready.clear()

    def pause(self) -> None:
        """End all connections, when what was written to them has arrived. New ones wait."""
        self.hold()
        self.end_connections()
        if self.child is not None:
            self.child.end()

    def accept_all(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # the gate is closed
            threading.Thread(target=self.admit, args=(connection,), daemon=True).start()

    def admit(self, connection: socket.socket) -> None:
        """Hand a connection of this user to the relay, and close any other."""
        if os.environ.get(OPEN_PORTS) != "1":
            peer = peers.of(connection)
            if not peer.is_ours:
                connection.close()
                self.refuse(peer)
                return
        self.has_relay.wait()
        if not self.ready.wait(PATIENCE) or self.ending.is_set():
            connection.close()
            return
        conversation = None if self.converse is None else self.converse()
        client = _Connection(connection, conversation)
        with self.lock:
            self.last += 1
            number = self.last
            self.connections[number] = client
        try:
            self.send(OPEN, number)
            while data := connection.recv(LARGEST):
                self.hand_on(number, client, data)
        except (OSError, ValueError):
            pass  # closed, by either end
        self.drop(number)
        if conversation is not None and conversation.keeps_open():
            return
        with suppress(OSError, ValueError):
            self.send(CLOSE, number)

    def hand_on(self, number: int, client: _Connection, data: bytes) -> None:
        if client.conversation is None:
            self.send(DATA, number, data)
            return
        forwarded, answer = client.conversation.from_client(data)
        if answer:
            client.send(answer)
        for start in range(0, len(forwarded), LARGEST):
            self.send(DATA, number, forwarded[start : start + LARGEST])

    def refuse(self, peer: peers.Peer) -> None:
        with self.lock:
            is_new = peer.name not in self.refused
            self.refused.add(peer.name)
        if is_new:
            self.say(f"{self.what} at 127.0.0.1:{self.port} is yours alone: refused {peer.name}")

    def keep_relay(self) -> None:
        """Start the relay, again and again until it answers: its container may not be there yet."""
        while not self.ending.is_set():
            self.has_relay.wait()
            relay = self.relay
            if relay is None or self.ending.is_set():
                return
            try:
                child = process.Pipes(relay.argv, env={**os.environ, **relay.env})
            except UserError as error:
                self.say(f"{self.what} cannot be reached: {error.message()}")
                return
            with child:
                self.child = child
                watch = threading.Timer(STUCK, self.end_if_stuck, args=(child,))
                watch.daemon = True
                watch.start()
                if has_marker(child, relay.marker):
                    self.read_frames(child)
                watch.cancel()
            self.ready.clear()
            for number in list(self.connections):
                self.drop(number)
            self.ending.wait(RETRY)

    def end_if_stuck(self, child: process.Pipes) -> None:
        if not self.ready.is_set():
            child.end()

    def read_frames(self, child: process.Pipes) -> None:
        while len(header := child.read(HEADER.size)) == HEADER.size:
            kind, number, length = HEADER.unpack(header)
            data = child.read(length)
            if kind == READY:
                self.ready.set()
            elif kind == CLOSE:
                self.drop(number)
            elif kind == DATA and (connection := self.connections.get(number)) is not None:
                if connection.conversation is not None:
                    connection.conversation.from_behind(data)
                connection.send(data)

    def send(self, kind: int, number: int, data: bytes = b"") -> None:
        child = self.child
        if child is None:
            raise OSError("the relay has ended")
        with self.writing:
            child.write(HEADER.pack(kind, number, len(data)) + data)

    def drop(self, number: int) -> None:
        connection = self.connections.pop(number, None)
        if connection is not None:
            connection.end()

    def end_connections(self) -> None:
        end = time.monotonic() + LAST
        while self.connections and time.monotonic() < end:
            time.sleep(0.02)
        for number in list(self.connections):
            self.drop(number)

    def close(self) -> None:
        """End all connections, when what was written to them has arrived."""
        end = time.monotonic() + LAST
        while self.connections and time.monotonic() < end:
            time.sleep(0.02)
        self.ending.set()
        self.has_relay.set()
        self.ready.set()
        for number in list(self.connections):
            self.drop(number)
        if self.child is not None:
            self.child.end()
