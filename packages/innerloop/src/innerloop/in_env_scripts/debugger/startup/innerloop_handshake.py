"""Both ends of a connection prove that they know the run's secret, before anything else is read.

Used by everything of a debugged run that connects or listens: the adapter, the processes that it
debugs, and the relay. Each end sends a random number and an HMAC of both numbers, so that neither
learns the secret from the other. It runs in the experiment's environment (Python 3.8 or newer) and
uses nothing of the tool.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket

# The variable with the secret, 64 hexadecimal digits. A list of processes does not show it.
VARIABLE = "INNERLOOP_DEBUG_SECRET"

# Who connects: an editor, through the relay, or a process that is debugged.
EDITOR, PROCESS = b"E", b"P"

# The time for the whole exchange, in seconds.
TIMEOUT = 10.0

_SIZE = 32


class Refused(OSError):
    """The other end does not know the secret."""


def connect(port: int, secret: str, role: bytes) -> socket.socket:
    """Connect to the adapter at 127.0.0.1. `Refused` if something else listens there."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    try:
        own = os.urandom(_SIZE)
        connection.sendall(role + own)
        other = _receive(connection, _SIZE)
        proof = _receive(connection, _SIZE)
        if not hmac.compare_digest(proof, _proof(secret, b"listens", role, own, other)):
            raise Refused("another program listens at the debugger's port")
        connection.sendall(_proof(secret, b"connects", role, own, other))
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def accept(connection: socket.socket, secret: str) -> bytes:
    """The role of a connection that was accepted. `Refused` if it does not know the secret."""
    connection.settimeout(TIMEOUT)
    role = _receive(connection, 1)
    other = _receive(connection, _SIZE)
    own = os.urandom(_SIZE)
    connection.sendall(own + _proof(secret, b"listens", role, other, own))
    proof = _receive(connection, _SIZE)
    if not hmac.compare_digest(proof, _proof(secret, b"connects", role, other, own)):
        raise Refused("a connection without the run's secret")
    connection.settimeout(None)
    return role


def _proof(secret: str, who: bytes, role: bytes, connecting: bytes, listening: bytes) -> bytes:
    if len(secret) < 2 * _SIZE:
        raise Refused("there is no secret")
    message = b"\0".join([b"innerloop debugger 1", who, role]) + connecting + listening
    return hmac.new(bytes.fromhex(secret), message, hashlib.sha256).digest()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise Refused("the connection ended before both ends had proved themselves")
        data += chunk
    return data
