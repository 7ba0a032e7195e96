"""What the commands import that people wait for: each of their starts pays for it.

`imports.json` has the modules of this package that each command imports beyond those of
`loop --version`. A module that a change adds is either imported where it is needed, or added there
knowingly: `INNERLOOP_IMPORTS=write scripts/test packages/innerloop/tests/commands/test_imports.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import ROOT, Workspace

TRIES = 10
RECORDED = Path(__file__).with_name("imports.json")
SOURCE = ROOT / "packages" / "innerloop" / "src"
# Takes long to import, and no such command needs it.
NEVER = {
    *(
        "_hashlib",
        "asyncio",
        "csv",
        "difflib",
        "dis",
        "email",
        "http.client",
        "inspect",
        "platform",
    ),
    *("random", "rich", "sqlite3", "ssl", "sysconfig", "tempfile", "tokenize"),
}
LINES: dict[str, tuple[str, ...]] = {
    "run": ("run", "tiny", "--backend", "venv", "--dry-run"),
    "run again": ("run", "tiny", "--backend", "docker"),
    "list": ("list", "--json"),
    "check": ("check",),
    "sync": ("sync",),
    "help": ("help",),
    "tab": ("completion", "words", "--", "run", "t"),
}
PROGRAM = """
import json, sys
of_python = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0], report = sys.argv.pop(1), sys.argv.pop(1)
from innerloop.__main__ import start
start(["--version"])
before = set(sys.modules)
start(sys.argv[1:])
after = set(sys.modules)
open(report, "w").write(json.dumps([sorted(after - before), sorted(after - of_python)]))
"""


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[str]]:
    modules: dict[str, list[str]] = json.loads(RECORDED.read_text("utf-8"))
    return modules


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need other modules")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=pytest.mark.docker) if name == "run again" else name
        for name in LINES
    ],
)
def test_command_imports_what_is_recorded(
    command: str, recorded: dict[str, list[str]], workspace: Workspace, tmp_path: Path
) -> None:
    workspace.add("tiny", "print(1)\n")
    workspace.loop("sync")
    expected = set(recorded.get(command, ()))
    for _ in range(TRIES):  # what just changed is not replayed yet
        modules, everything = imported(workspace, tmp_path / "modules.json", LINES[command])
        own = {name for name in modules if name.startswith("innerloop.")}
        if own <= expected:
            break
        time.sleep(0.3)
    workspace.clean()
    if os.environ.get("INNERLOOP_IMPORTS") == "write":
        kept = json.loads(RECORDED.read_text("utf-8")) | {command: sorted(own)}
        RECORDED.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
        return
    assert sorted(own - expected) == [], "import them where they are needed, or record them"
    assert NEVER & set(everything) == set()
    assert command != "tab" or "argparse" not in everything


def imported(
    workspace: Workspace, report: Path, words: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """The modules that a command line imports beyond those of `loop --version`, and with them."""
    launcher = workspace.root / "scripts" / "loop"
    argv = [sys.executable, "-I", "-c", PROGRAM, str(SOURCE), str(launcher), str(report), *words]
    env = {**os.environ, **workspace.env}
    done = subprocess.run(argv, cwd=workspace.root, env=env, capture_output=True, text=True)
    assert report.exists(), done.stderr
    modules, everything = json.loads(report.read_text("utf-8"))
    return modules, everything
