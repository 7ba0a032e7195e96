"""Who has a GPU's lock when the process that carries out a run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.util import device_locks, process
from tests.support import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends a program with SIGKILL")

SOURCES = Path(device_locks.__file__).resolve().parents[2]
# Carries out a program that goes on until a file is there, as a process or as a container would.
HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from innerloop.runner import lock_keeper
from innerloop.util import device_locks, process
name, gate, kind = sys.argv[2:]
program = ["sh", "-c", 'echo begun; until [ -e "$0" ]; do sleep 0.05; done', gate]
assert device_locks.take(name)
with lock_keeper.beside(program if kind == "container" else ()):
    process.run_foreground(program)
print("ended", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["process", "container"])
def test_lock_of_a_killed_process_is_kept_until_its_program_ends(tmp_path: Path, kind: str) -> None:
    name, gate = f"kept-{kind}-{os.getpid()}", tmp_path / "gate"
    with _holder(name, gate, kind) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"begun\n"
        # The program, its `sleep`, and what keeps the lock.
        assert until(lambda: len(process.descendants(holder.pid)) >= 3, 60)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert device_locks.take(name) is None
        gate.touch()
        assert until(lambda: name not in device_locks.taken(name), 60)


def test_lock_is_the_process_own_again_when_the_program_has_ended(tmp_path: Path) -> None:
    name, gate = f"own-{os.getpid()}", tmp_path / "gate"
    gate.touch()
    with _holder(name, gate, "process") as holder:
        assert holder.stdout is not None and holder.stdout.read(12) == b"begun\nended\n"
        holder.kill()
        holder.wait()
        # Nothing of it is left that could have it.
        release = device_locks.take(name)
        assert release is not None
        release()


def _holder(name: str, gate: Path, kind: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", HOLDER, str(SOURCES), name, str(gate), kind]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
