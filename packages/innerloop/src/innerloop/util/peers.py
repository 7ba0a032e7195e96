"""Which user of this machine is at the other end of a connection on the loopback interface.

A port of 127.0.0.1 is open to every user of the machine. The operating system knows whose socket
the other end is, so a server can be one person's alone without a password that a client would have
to know.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import process
from .quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """`is_ours`: this user's process, or one of root's. `name` is for a message."""

    is_ours: bool
    name: str


UNKNOWN = Peer(False, "somebody unknown")


def of(connection: socket.socket) -> Peer:
    """The other end of an accepted IPv4 connection; `UNKNOWN` when it has closed its socket."""
    try:
        (here, own_port), (there, port) = connection.getsockname(), connection.getpeername()
        if sys.platform == "win32":
            return _on_windows(there, port, here, own_port)
        if sys.platform == "darwin":
            return _on_macos(port, own_port)
        return _on_linux(there, port, here, own_port)
    except (OSError, ValueError):
        return UNKNOWN


def why_unknown() -> str:
    """Why this machine cannot tell who connects; "" if it can. Asked of a connection to ourselves."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname(), 5):
            accepted, _ = listener.accept()
            with accepted:
                if of(accepted).is_ours:
                    return ""
    return {
        "darwin": "`lsof` does not name the user of a connection",
        "win32": "Windows does not name the user of a connection",
    }.get(sys.platform, "/proc/net/tcp does not name the user of a connection")


# Columns of /proc/net/tcp. Source: Linux, Documentation/networking/proc_net_tcp.rst.
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9


def _on_linux(there: str, port: int, here: str, own_port: int) -> Peer:
    """A socket that its owner has closed has no inode and counts as root's: it is nobody's."""
    if sys.platform == "win32":
        return UNKNOWN
    ends = {(_hex(there, port), _hex(here, own_port))}
    # A client may use an IPv6 socket for an IPv4 address.
    ends |= {(_MAPPED + local, _MAPPED + remote) for local, remote in ends}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for words in _rows(Path(table)):
            if (words[_LOCAL], words[_REMOTE]) in ends and words[_INODE] != "0":
                uid = int(words[_UID])
                return Peer(uid in (0, os.getuid()), _user_name(uid))
    return UNKNOWN


# What stands before an IPv4 address in an IPv6 one: ::ffff:0:0/96.
_MAPPED = "".join(f"{word:08X}" for word in struct.unpack("=3I", b"\0" * 10 + b"\xff\xff"))


def _rows(table: Path) -> Iterator[list[str]]:
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return  # no IPv6
    for line in lines:
        words = line.split()
        if len(words) > _INODE:
            yield words


def _hex(address: str, port: int) -> str:
    """An address as the kernel prints it: a 32-bit number in the machine's own byte order."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{number:08X}:{port:04X}"


def _user_name(uid: int) -> str:
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):  # a container's user has no name here
            return f"the user {pwd.getpwuid(uid).pw_name}"
    return f"the user with UID {uid}"


def _on_macos(port: int, own_port: int) -> Peer:
    """Without root's rights, `lsof` sees the sockets of this user's processes and no others."""
    if sys.platform == "win32":
        return UNKNOWN
    argv = ["lsof", "-nP", "-a", "-u", str(os.getuid()), f"-iTCP@127.0.0.1:{port}", "-Fn"]
    done = process.run(argv, timeout=10)
    is_ours = f"n127.0.0.1:{port}->127.0.0.1:{own_port}" in done.out.split()
    return Peer(True, "this user") if is_ours else Peer(False, "another user")


def _on_windows(there: str, port: int, here: str, own_port: int) -> Peer:
    if sys.platform != "win32":
        return UNKNOWN
    from . import windows_peers

    pid = windows_peers.process_of((there, port), (here, own_port))
    if pid is None:
        return UNKNOWN
    is_ours = windows_peers.user_of(pid) == windows_peers.user_of(os.getpid()) is not None
    return Peer(is_ours, "this user" if is_ours else "another user")
