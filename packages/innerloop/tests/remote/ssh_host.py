"""A machine to reach by ssh: a real sshd of another user at loopback, and a person's `ssh` that knows it.

The user's files are in a home of its own, so what is there was sent. `ssh` is a program on PATH that
starts the real one with a configuration of the tests: the real one reads that of the person.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engines import ssh_server
from tests.engines.temporary_user import TemporaryUser, temporary_user
from tests.support import until


@dataclass(frozen=True, slots=True)
class SshHost:
    """`bin` has the person's `ssh`, `config` is its configuration, `alias` the Host in it."""

    user: TemporaryUser
    port: int
    bin: Path
    config: Path
    alias: str = "gpubox"

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    @property
    def folder(self) -> Path:
        """The agent's folder there."""
        return self.user.home / ".innerloop"

    def job(self) -> Path:
        """The folder of the only job there."""
        (found,) = self.jobs()
        return found

    def jobs(self) -> list[Path]:
        return sorted(self.folder.glob("jobs/*/*"))

    def add(self, text: str) -> None:
        """Hosts for the person's configuration."""
        self.config.write_text(f"{text}\n{self.config.read_text()}")

    def cut(self) -> None:
        """End every connection that is open, as a network does."""
        for pid in self._sessions():
            subprocess.run(["kill", "-9", str(pid)], check=False)

    def _sessions(self) -> list[int]:
        """The processes of sshd that serve a connection; its listener has the option -D."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdecimal() and folder.stat().st_uid == self.user.uid:
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    if words.startswith(b"sshd") and b"-D" not in words:
                        found.append(int(folder.name))
            except OSError:
                continue
        return found


CLIENT = """Host {alias}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    StrictHostKeyChecking yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    LogLevel ERROR
"""


@contextmanager
def ssh_host(folder: Path, groups: Sequence[int] = (), env: str = "") -> Iterator[SshHost]:
    """`folder` gets the person's `ssh` and its configuration."""
    ssh = shutil.which("ssh")
    assert ssh is not None
    with temporary_user() as user, ssh_server.started(user, groups, env) as address:
        port = int(address.rpartition(":")[2])
        config = folder / "ssh_config"
        shutil.copy(user.home / "sshd/key", folder / "key")
        (folder / "key").chmod(0o600)
        host_key = (user.home / "sshd/host.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
        config.write_text(CLIENT.format(alias="gpubox", port=port, user=user.name, folder=folder))
        (folder / "bin").mkdir()
        script = folder / "bin/ssh"
        script.write_text(f'#!/bin/sh\nexec {ssh} -F {shlex.quote(str(config))} "$@"\n')
        script.chmod(0o755)
        yield SshHost(user, port, folder / "bin", config)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


__all__ = ["SshHost", "listens", "ssh_host", "until"]
