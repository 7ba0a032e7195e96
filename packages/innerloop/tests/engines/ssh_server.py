"""A real sshd of a user's own at a port of loopback, which that user enters with a key."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.engines.temporary_user import TemporaryUser
from tests.support import CI_TOOLS, free_port, until

# Unpacked and not installed: a package would start the service.
UNPACKED = CI_TOOLS / "sshd"
CLIENT = """Host 127.0.0.1
    IdentityFile {folder}/key
    StrictHostKeyChecking no
    UserKnownHostsFile {folder}/known_hosts
    LogLevel ERROR
"""
SERVER = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile {folder}/pid
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
"""


@contextmanager
def started(user: TemporaryUser, groups: Sequence[int] = (), env: str = "") -> Iterator[str]:
    """The address of the user's engine as Docker's client takes it; `env` is sshd's SetEnv."""
    folder = user.home / "sshd"
    shutil.copytree(UNPACKED / "usr", folder / "usr")
    for name in ("key", "host"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    port = free_port()
    text = SERVER.format(port=port, folder=folder)
    for name in ("sshd-session", "sshd-auth"):  # OpenSSH 9.8 and newer start these
        for program in folder.rglob(name):
            text += f"{''.join(map(str.title, name.split('-')))}Path {program}\n"
    (folder / "config").write_text(text + (f"SetEnv {env}\n" if env else ""))
    (user.home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    (user.home / ".ssh/config").write_text(CLIENT.format(folder=folder))
    user.own(folder, user.home / ".ssh")
    libraries = ":".join(sorted({str(path.parent) for path in folder.rglob("*.so.*")}))
    log = folder / "log"
    argv = [str(folder / "usr/sbin/sshd"), "-D", "-e", "-f", str(folder / "config")]
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*user.become("--pdeathsig=TERM", groups=groups), *argv],
            env={**os.environ, **user.env, "LD_LIBRARY_PATH": libraries},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        assert until(lambda: _listens(port) or child.poll() is not None, 60), log.read_text()
        assert child.poll() is None, log.read_text()
        yield f"ssh://{user.name}@127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
