"""The reason that is said with the exit code of a container."""

from __future__ import annotations

import pytest

from tests.support import Workspace

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    ("command", "resources", "code", "expected"),
    [
        (
            "python -c 'x = bytearray(300_000_000)'",
            "docker_args: -m 64m --memory-swap 64m",
            137,
            "ran out of memory",
        ),
        ("python fill.py", "shm_size: 1m", 135, "resources.shm_size"),
        ("python -c 'import os; os.kill(os.getpid(), 9)'", "shm_size: 1m", 137, "not by a limit"),
        ("./run.sh", "shm_size: 1m", 126, "not executable"),
        ("bash -lc 'PATH=/nowhere; python x.py'", "shm_size: 1m", 127, "python is in the image ("),
        ("true", "docker_args: --device /dev/no-such", 127, "the engine did not start"),
    ],
)
def test_reason_is_said(
    workspace: Workspace, command: str, resources: str, code: int, expected: str
) -> None:
    job = (
        f"command: >-\n  {command}\ncode: .\nenvironment: {{build: {{path: ./environment}}}}\n"
        f"resources: {{{resources}}}\n"
    )
    workspace.add("tiny", "", job=job)
    workspace.write("src/tiny/run.sh", "#!/bin/sh\n")
    workspace.write("src/tiny/fill.py", FILL)
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == code, answer.err
    line = next(line for line in answer.err.splitlines() if "exit code" in line)
    assert expected in line
    assert workspace.containers() == []


FILL = """
import mmap
with open("/dev/shm/x", "w+b") as file:
    file.truncate(50_000_000)
    memory = mmap.mmap(file.fileno(), 50_000_000)
    for at in range(0, 50_000_000, 4096):
        memory[at] = 1
"""
