"""The connection to a machine, with a program of the test as `ssh`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerloop.remote.host.connection import SshConnection

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stands in for ssh with a shell script")

SSH = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
    *ControlMaster=yes*) echo innerloop-ready; cat >/dev/null ;;
    *) ps -o pgid= -p $$ ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command lines of `ssh`."""
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_command_does_not_get_the_terminals_ctrl_c(log: Path) -> None:
    with SshConnection("gpubox") as connection:
        assert int(connection.run("true").out) != os.getpgid(0)


def test_connection_of_another_process_is_used_until_it_is_lost(log: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.touch()
    with SshConnection("gpubox", str(theirs)) as connection:
        connection.run("true")
        assert f"ControlPath={theirs}" in log.read_text() and connection.socket == ""
        connection.close()  # as after a command that says that the connection is gone
        connection.run("true")
        lines = log.read_text().splitlines()
        assert connection.socket and f"ControlPath={connection.socket}" in lines[-1]
    theirs.unlink()
    with SshConnection("gpubox", str(theirs)) as connection:
        connection.run("true")
        assert connection.socket
