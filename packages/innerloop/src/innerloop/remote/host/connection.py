"""A connection to a machine by the system's own ssh, which all commands of one process share.

What the person's ssh configuration says of the host holds: addresses, jump hosts, agents,
certificates, hardware keys. Nothing is asked on the way: a host that wants a password is an error.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...util import files, process, regular_files
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.process import ChildProcess, CompletedCommand, OutputStream

# Seconds until a host must have answered.
PATIENCE = 30.0
# ssh notices a connection that is gone after three of these, in seconds.
ALIVE = 10
# The exit code of ssh's own errors. Source: ssh(1), EXIT STATUS.
SSH_FAILED = 255
_READY = "innerloop-ready"
# A Unix socket's path has at most 103 bytes on macOS, of which ssh takes 17 for a temporary name.
_LONGEST = 80


# What the shared connection runs there: it ends with our side, and creates the files that we name.
# The empty line ends what the person's shell may have printed before.
_SESSION = (
    f"echo; echo {_READY}; while IFS= read -r path; do "
    'case $path in "~/"*) path=$HOME/${path#??} ;; esac; : >"$path"; done'
)
# Starts its arguments, in which each "+" and three digits stand for a byte.
_DECODE = (
    'n=$#; while [ "$n" -gt 0 ]; do w=$(printf "x$(printf %s "$1" | tr + "\\134")x"); w=${w#x}; '
    'shift; set -- "$@" "${w%x}"; n=$((n - 1)); done; exec "$@"'
)
# What every shell takes as it is within single quotes: csh looks for "!", fish for "\\", and neither
# has a line end there.
_QUOTABLE = late_pattern(r"[ \"-&(-\[\]-~]*", re.ASCII)
_UNENCODED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,@-")
# Seconds that it has to read its last lines.
_LAST = 2.0


class ConnectionLost(UserError):
    """The connection could not be made, or has ended: `error` says why."""

    def __init__(self, error: UserError) -> None:
        super().__init__(error.what, code=error.code, where=error.where, hint=error.hint)


class SshConnection:
    """A context manager. The connection is opened with the first command.

    Where ssh can share a connection (not on Windows), one that ends with this process is shared by
    all commands, or the one that the person shares already.
    """

    is_local = False

    def __init__(self, host: str, socket: str = "") -> None:
        """`socket` is that of another process's connection, which is used while it lasts."""
        self.host = host
        # Where other processes can use this connection; "" if they cannot.
        self.socket = ""
        self._given = socket
        self._options: tuple[str, ...] = ()
        self._master: ChildProcess | None = None
        self._is_open = False
        # How often it was connected.
        self.opened = 0
        self._folders = contextlib.ExitStack()

    def __enter__(self) -> SshConnection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the shared connection. The next command opens another one."""
        master, self._master = self._master, None
        self._is_open = False
        self.socket = self._given = ""
        if master is not None:
            master.finish(_LAST)
            master.__exit__()
        self._folders.close()

    def argv(self, command: str) -> list[str]:
        """The words that start a shell command there, by the shared connection."""
        self.open()
        return [*self._ssh(), *self._options, self.host, command]

    def _ssh(self) -> list[str]:
        words = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={PATIENCE:.0f}"]
        # A person's terminal may start a program there, and forward ports.
        words += ["-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes"]
        # The machine gets neither the person's keys nor their screen.
        words += ["-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "PermitLocalCommand=no"]
        return [*words, "-o", f"ServerAliveInterval={ALIVE}", "-o", "ServerAliveCountMax=3"]

    def begin(self) -> None:
        """Start to connect, without waiting for it: `open` says what went wrong."""
        if self._given and not os.path.exists(self._given):
            self._given = ""  # the connection has ended
        is_begun = self._is_open or self._master is not None or self._given != ""
        if is_begun or os.name == "nt" or process.which("ssh") is None:
            return
        if not self._is_shared_already():
            self._share()

    def open(self) -> None:
        """Connect, unless that is done. ConnectionLost says why it cannot."""
        if self._is_open:
            return
        if process.which("ssh") is None:
            raise UserError(
                "there is no program `ssh` on PATH",
                code="ssh-missing",
                hint="Install OpenSSH's client",
            )
        self.begin()
        if self._given:
            self._options = _sharing(self._given)
        if self._master is not None:
            self._wait(self._master)
        self._is_open = True
        self.opened += 1

    def _is_shared_already(self) -> bool:
        """Whether the person's configuration shares a connection that is open now."""
        if not any(map(_names_a_socket, _configurations())):
            return False
        found = process.run(["ssh", "-G", self.host], timeout=PATIENCE)
        path = re.search(r"^controlpath (.+)$", found.out, re.MULTILINE)
        if path is None or path[1] == "none":
            return False
        return process.run(["ssh", "-O", "check", self.host], timeout=PATIENCE).ok

    def _share(self) -> None:
        """Start a connection that ends with this process: it reads from us until then."""
        path = self.socket = self._new_socket()
        self._options = _sharing(path)
        words = ["-o", f"ControlPath={path}", "-o", "ControlMaster=yes", "-o", "ControlPersist=no"]
        command = quoted(["sh", "-c", _SESSION])
        self._master = ChildProcess([*self._ssh(), *words, self.host, command])

    def _wait(self, master: ChildProcess) -> None:
        """Until the connection is there."""
        until = time.monotonic() + 2 * PATIENCE
        try:
            while (line := master.hear(max(until - time.monotonic(), 0.1))) != _READY:
                if line is None:
                    raise connection_error(self.host, master.errors)
        except BaseException as error:
            self._master = None
            self.socket = ""
            master.__exit__()
            self._folders.close()
            if isinstance(error, TimeoutError):
                raise connection_error(self.host, "timed out") from None
            raise

    def _new_socket(self) -> str:
        parent = None
        if sys.platform != "win32" and len(os.environ.get("TMPDIR", "")) > _LONGEST - 20:
            parent = "/tmp"
        folder = self._folders.enter_context(files.temporary_folder("il-", parent))
        return str(Path(folder, "s"))

    def note_file(self, path: str) -> bool:
        """Create a file there soon, without waiting for it. Whether that can be."""
        if self._master is None:
            return False
        self._master.say(path)
        return True

    def run(self, command: str, *, timeout: float | None = None) -> CompletedCommand:
        """Run a shell command there. ConnectionLost if the connection ends."""
        # Ctrl-C is this process's to hear: what it then says needs the connection.
        done = process.run(self.argv(command), timeout=timeout, own_group=True)
        return self._checked(done)

    def feed(self, command: str, chunks: Iterable[bytes]) -> CompletedCommand:
        """The same for a command that reads `chunks`."""
        return self._checked(process.feed(self.argv(command), chunks))

    def stream(self, command: str) -> OutputStream:
        """The same for a command whose output is read as it comes."""
        return OutputStream(self.argv(command))

    def _checked(self, done: CompletedCommand) -> CompletedCommand:
        if done.code == SSH_FAILED:
            self.close()
            raise connection_error(self.host, done.err)
        return done


def _sharing(socket: str) -> tuple[str, ...]:
    return ("-o", f"ControlPath={socket}", "-o", "ControlMaster=no")


def _configurations() -> list[Path]:
    """The files of ssh's configuration. One that they include elsewhere is not looked at."""
    own = Path.home() / ".ssh"
    system = Path("/etc/ssh")
    found = [own / "config", system / "ssh_config", *sorted(system.glob("ssh_config.d/*.conf"))]
    return [*found, *(sorted(own.glob("config.d/*")) if own.is_dir() else [])]


def _names_a_socket(path: Path) -> bool:
    try:
        return b"controlpath" in regular_files.read_bytes(path).lower()
    except (OSError, UserError):
        return False


def quoted(words: Sequence[str]) -> str:
    """The words as a command of any shell that a person may have there: sh, csh, fish."""
    if all(map(_QUOTABLE.fullmatch, words)):
        return shlex.join(words)
    return shlex.join(["sh", "-c", _DECODE, "sh", *map(_encoded, words)])


def _encoded(word: str) -> str:
    content = word.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNENCODED else f"+{byte:03o}" for byte in content)


def connection_error(host: str, text: str) -> ConnectionLost:
    """The error for what ssh has said."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[-1] if lines else "the connection ended"
    if "Could not resolve hostname" in text:
        error = UserError(
            f"ssh does not know the host {host} ({said})",
            code="ssh-host-unknown",
            hint="Add it to ~/.ssh/config (Host, HostName, User), or name it with [remote.NAME] host",
        )
    elif "Host key verification failed" in text:
        error = UserError(
            f"the host key of {host} is not trusted here",
            code="ssh-host-key",
            hint=f"Run `ssh {host}` in a terminal and compare the key; if it has changed, ask why",
        )
    elif "Permission denied" in text:
        error = UserError(
            f"{host} lets nobody in without a password or a passphrase ({said})",
            code="ssh-denied",
            hint=f"`ssh {host}` must work without a question: `ssh-add` for a key with a "
            f"passphrase, `ssh-copy-id {host}` for a new key",
        )
    else:
        error = UserError(
            f"{host} cannot be reached by ssh: {said}",
            code="ssh-unreachable",
            hint=f"`ssh {host} true` must end without a question and without an error; where it does "
            "not come to that, look for what ends or waits in the shell's startup file there",
        )
    return ConnectionLost(error)
