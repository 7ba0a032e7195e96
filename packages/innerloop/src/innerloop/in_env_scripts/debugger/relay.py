"""Carries connections of the tool's gate to a port of the machine or container that this runs in.

    python relay.py PORT [adapter]

Standard input and output hold all connections: each frame is a kind, a connection's number and a
length, followed by so many bytes. If `adapter` listens there, each connection begins with the proof
that we know the run's secret. It ends with its standard input. It uses nothing of the tool, so that the
text alone can be given to any Python (3.8 or newer).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

HEADER = struct.Struct("!BII")
OPEN, DATA, CLOSE, READY = range(4)
# Bytes of one frame.
LARGEST = 65536
# Seconds to wait until the adapter listens.
PATIENCE = 60.0


class Relay:
    def __init__(self, port: int, asks: bool) -> None:
        self.port = port
        self.asks = asks
        self.connections: dict[int, socket.socket] = {}
        self.writing = threading.Lock()

    def send(self, kind: int, number: int, data: bytes = b"") -> None:
        with self.writing:
            sys.stdout.buffer.write(HEADER.pack(kind, number, len(data)) + data)
            sys.stdout.buffer.flush()

    def run(self) -> None:
        if self.asks:
            self.wait_for_adapter()
        self.send(READY, 0)
        source = sys.stdin.buffer
        while True:
            header = source.read(HEADER.size)
            if len(header) < HEADER.size:
                return
            kind, number, length = HEADER.unpack(header)
            data = source.read(length)
            if kind == OPEN:
                self.open(number)
            elif number in self.connections:
                if kind == DATA:
                    self.forward(number, data)
                else:
                    self.close(number)

    def wait_for_adapter(self) -> None:
        """Until it listens; not for ever, since nobody else may end this program."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 10).close()
                return
            except OSError:
                time.sleep(0.05)

    def open(self, number: int) -> None:
        try:
            connection = self.connect()
        except OSError:
            self.send(CLOSE, number)
            return
        self.connections[number] = connection
        threading.Thread(target=self.back, args=(number, connection), daemon=True).start()

    def connect(self) -> socket.socket:
        if not self.asks:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 10)
            except OSError:  # it may listen at the container's address alone
                return socket.create_connection((socket.gethostname(), self.port), 10)
        startup = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
        if startup not in sys.path:
            sys.path.insert(0, startup)
        import innerloop_handshake as handshake

        secret = os.environ.get(handshake.VARIABLE, "")
        return handshake.connect(self.port, secret, handshake.EDITOR)

    def back(self, number: int, connection: socket.socket) -> None:
        with suppress(OSError):  # closed, by either end
            connection.settimeout(None)
            while True:
                data = connection.recv(LARGEST)
                if not data:
                    break
                self.send(DATA, number, data)
        self.send(CLOSE, number)

    def forward(self, number: int, data: bytes) -> None:
        try:
            self.connections[number].sendall(data)
        except OSError:
            self.close(number)

    def close(self, number: int) -> None:
        connection = self.connections.pop(number)
        with suppress(OSError):  # the other end was first
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


if __name__ == "__main__":
    with suppress(OSError, KeyboardInterrupt):  # the gate has ended
        Relay(int(sys.argv[1]), asks=sys.argv[2:] == ["adapter"]).run()
    os._exit(0)
