"""A user of this machine for the time of some tests, with subordinate UIDs for rootless engines.

Its name holds the process that made it: what a killed one left behind goes at the next start.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import until

PREFIX = "innerloop-stand-"


@dataclass(frozen=True, slots=True)
class TemporaryUser:
    """`home` has a short path, since that of a socket has at most 107 letters."""

    name: str
    uid: int
    home: Path

    @property
    def runtime(self) -> Path:
        """What a session of systemd would give as XDG_RUNTIME_DIR."""
        return self.home / "run"

    @property
    def env(self) -> dict[str, str]:
        """Variables by which nothing of the person who runs the tests is found."""
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": "/bin/bash",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "DOCKER_CONFIG": str(self.home / ".docker"),
            "DOCKER_HOST": "",
            "DOCKER_CONTEXT": "",
            "PIP_CACHE_DIR": str(self.home / ".cache/pip"),
            "UV_CACHE_DIR": str(self.home / ".cache/uv"),
            "INNERLOOP_CACHE": str(self.home / ".cache/innerloop"),
        }

    def become(self, *options: str, groups: Sequence[int] = ()) -> list[str]:
        """What makes root's command line this user's."""
        further = ",".join(map(str, (self.uid, *groups)))
        ids = [f"--reuid={self.uid}", f"--regid={self.uid}", f"--groups={further}"]
        return ["setpriv", *ids, *options]

    def run(
        self, *argv: str, env: Mapping[str, str] | None = None, stdin: Path | None = None
    ) -> str:
        """What the program prints; it must go well."""
        with open(stdin or os.devnull, "rb") as source:
            done = subprocess.run(
                [*self.become(), *argv],
                env={**os.environ, **self.env, **(env or {})},
                cwd=self.home,
                stdin=source,
                capture_output=True,
                timeout=180,
            )
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.decode()[-2000:]}"
        return done.stdout.decode()

    def own(self, *paths: Path) -> None:
        """Files and folders that root made become this user's."""
        for top in paths:
            for path in (top, *top.rglob("*")):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)


@contextmanager
def temporary_user() -> Iterator[TemporaryUser]:
    """With XDG_RUNTIME_DIR. Whatever it started, mounted or wrote goes with it."""
    remove_abandoned()
    home = Path(tempfile.mkdtemp(prefix="il-user-"))
    name = f"{PREFIX}{os.getpid()}"
    words = ["--home-dir", str(home), "--shell", "/bin/bash", "--user-group", "--no-create-home"]
    subprocess.run(["useradd", *words, name], check=True, capture_output=True)
    try:
        uid = pwd.getpwnam(name).pw_uid
        user = TemporaryUser(name, uid, home)
        user.runtime.mkdir(mode=0o700)
        # Podman starts nothing where DOCKER_CONFIG names a folder without this file.
        (home / ".docker").mkdir()
        (home / ".docker/config.json").write_text("{}\n")
        user.own(home)
        home.chmod(0o755)
        yield user
    finally:
        _remove(name)


def remove_abandoned() -> None:
    """Take away the users of processes that are no more."""
    for entry in pwd.getpwall():
        number = entry.pw_name.removeprefix(PREFIX)
        if number != entry.pw_name and number.isdecimal() and not Path("/proc", number).exists():
            _remove(entry.pw_name)


def _remove(name: str) -> None:
    entry = pwd.getpwnam(name)
    uids = {entry.pw_uid, *_subordinates(name)}
    assert until(lambda: not _end(uids), 60), f"processes of {name} do not end"
    subprocess.run(["userdel", "--force", name], check=True, capture_output=True)
    subprocess.run(["groupdel", name], capture_output=True)
    shutil.rmtree(entry.pw_dir, ignore_errors=True)


def _subordinates(name: str) -> range:
    """The UIDs of this user's containers."""
    text = Path("/etc/subuid").read_text() if Path("/etc/subuid").exists() else ""
    found = re.search(rf"^{re.escape(name)}:(\d+):(\d+)$", text, re.MULTILINE)
    return range(int(found[1]), int(found[1]) + int(found[2])) if found else range(0)


def _end(uids: set[int]) -> bool:
    """Kill the processes of these UIDs, each by its number; whether there was one."""
    there = False
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            if folder.stat().st_uid not in uids and _uid(folder) not in uids:
                continue
            if "\nState:\tZ" not in (folder / "status").read_text():
                os.kill(int(folder.name), signal.SIGKILL)
                there = True
    return there


def _uid(folder: Path) -> int:
    """The real UID: a folder of a process that may not be dumped belongs to root."""
    found = re.search(r"^Uid:\t(\d+)", (folder / "status").read_text(), re.MULTILINE)
    return int(found[1]) if found else -1
