"""debugpy's adapter, for those alone who know the run's secret.

    python adapter.py PORT LIBRARY

debugpy's own adapter accepts everybody at one port, and tells everybody its token at another. This
one listens at one port of the loopback, for the editor and for the processes that it debugs, and
hands a connection on when the other end has proved that it knows the secret. It prints one line when
it listens: `listening`, or why it cannot.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup"))

import innerloop_debugger as debugger
import innerloop_handshake as handshake

# Connections that have not proved anything yet; further ones are closed at once.
LARGEST_CROWD = 64

TAKEN = (
    "This run is being debugged already, in another session or window. Stop or restart it there."
)


def main() -> int:
    port, library = int(sys.argv[1]), sys.argv[2]
    secret = os.environ.pop(handshake.VARIABLE, "")
    try:
        debugger.load(library, server=False)
        from debugpy.adapter import clients, servers, sessions

        _fit(clients.Client, servers)
        listener = _listen(port)
    except Exception as error:
        print(error or type(error).__name__, flush=True)
        return 1
    servers.listener = listener
    _in_background(_accept_all, listener, secret)
    print("listening", flush=True)
    servers.wait_until_disconnected()
    sessions.wait_until_ended()
    return 0


def _fit(client: Any, servers: Any) -> None:
    """Make Stop and Restart clear to an editor, in the session of each process.

    A second editor, or a second press of F5, is told why it gets no session.

    debugpy misspells the capability by which an editor says whether it stops the program as it
    leaves. And VS Code takes the sessions of child processes as the run's own, which Stop and Restart
    mean as a whole, only if its Python extension starts them, which does so on an event.

    Source: the Debug Adapter Protocol (`supportTerminateDebuggee`); the Python debugger extension
    (childProcessAttachService: `lifecycleManagedByParent`).
    """
    initialize = client.initialize_request

    @functools.wraps(initialize)
    def initialize_request(self: Any, request: Any) -> Any:
        answer = initialize(self, request)
        if self.client_id == "vscode":
            self.capabilities["supportsStartDebuggingRequest"] = False
        return {**answer, "supportTerminateDebuggee": True}

    client.initialize_request = initialize_request
    attach = client.attach_request

    @functools.wraps(attach)
    def attach_request(self: Any, request: Any) -> Any:
        processes = servers.connections()
        if "subProcessId" not in request.arguments and processes and processes[0].server:
            raise request.cant_handle(TAKEN)
        return attach(self, request)

    client.attach_request = attach_request


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    if sys.platform == "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _accept_all(listener: socket.socket, secret: str) -> None:
    crowd = threading.BoundedSemaphore(LARGEST_CROWD)
    # An editor answers a process's announcement with a connection: each kind has a line of its own.
    lines = {handshake.EDITOR: threading.Lock(), handshake.PROCESS: threading.Lock()}
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the adapter ends
        if crowd.acquire(blocking=False):
            _in_background(_admit, connection, secret, crowd, lines)
        else:
            connection.close()


def _admit(
    connection: socket.socket,
    secret: str,
    crowd: threading.BoundedSemaphore,
    lines: dict[bytes, threading.Lock],
) -> None:
    """Hand the connection to debugpy, one of each kind at a time, once it has proved itself."""
    from debugpy.adapter import clients, servers

    try:
        role = handshake.accept(connection, secret)
    except (OSError, ValueError):
        connection.close()
        return
    finally:
        crowd.release()
    if role not in lines:
        connection.close()
        return
    with lines[role]:
        if role == handshake.EDITOR:
            clients.Client(connection)
        else:
            servers.Connection(connection)


def _in_background(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


if __name__ == "__main__":
    code = main()
    os._exit(code)
