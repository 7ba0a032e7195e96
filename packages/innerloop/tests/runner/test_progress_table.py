"""The table of steps and trials: as text, and in place in a real terminal."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pytest

from innerloop.runner.progress_table import DONE, FAILED, SKIPPED, ProgressTable, Row
from tests.support import Workspace

PIPELINE = """type: pipeline
jobs:
  first: {command: "echo from first; printf 'half\\\\r50%%\\\\r100%%\\\\n'", environment: ENV}
  second: {command: "echo at work; sleep SECONDS; exit 3", environment: ENV}
""".replace("ENV", "{build: {path: ./environment}}")


def test_the_table_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [Row("a", values={"x": "1"}), Row("long name"), Row("c")]
    board = ProgressTable("step", ["state", "x", "metric", "exit"], parts, {"metric": "val loss"})
    with board.shown():
        board.begin("a")
        board.end("a", DONE, "as it should", exit="0", metric="0.5")
        board.begin("long name")
        board.end("long name", FAILED, exit="2")
        board.end("c", SKIPPED, "it needs long name")
    said = re.sub(r"after \d+\.\d s", "after T s", capsys.readouterr().err)
    assert said.splitlines() == [
        "innerloop: step a (1 of 3) runs: x=1",
        "innerloop: step a: done after T s: as it should",
        "innerloop: step long name (2 of 3) runs",
        "innerloop: step long name: failed after T s",
        "innerloop: step c: skipped: it needs long name",
        "step       state    x  val loss  exit",
        "a          done     1  0.5       0",
        "long name  failed                2",
        "c          skipped",
    ]


def test_the_table_stays_when_something_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    board = ProgressTable("step", ["state"], [Row("a")])
    with pytest.raises(KeyboardInterrupt), board.shown():
        board.begin("a")
        raise KeyboardInterrupt
    assert "a     running" in capsys.readouterr().err


class Terminal:
    """A command line in a terminal of its own, as its controlling one; what it printed so far."""

    def __init__(self, words: list[str], cwd: Path) -> None:
        import fcntl
        import pty
        import struct
        import termios

        pid, self.end = pty.fork()
        if pid == 0:
            os.chdir(cwd)
            os.environ["TERM"] = "xterm"
            os.execv(words[0], words)
        self.pid = pid
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.printed = b""

    def read(self, until: bytes | None = None, seconds: float = 60) -> str:
        import select

        deadline = time.monotonic() + seconds
        while until is None or until not in self.printed:
            assert time.monotonic() < deadline, self.printed.decode(errors="replace")
            if not select.select([self.end], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.end, 65536)
            except OSError:  # a pseudo-terminal's way to end
                break
            if not piece:
                break
            self.printed += piece
        return self.printed.decode(errors="replace")

    def press(self, key: bytes) -> None:
        os.write(self.end, key)

    def code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def in_terminal(workspace: Workspace, seconds: str) -> Terminal:
    workspace.add("tiny", "")
    workspace.write("src/tiny/pipeline.yml", PIPELINE.replace("SECONDS", seconds))
    words = ["run", "tiny", "--file", "pipeline.yml", "--backend", "venv"]
    return Terminal([str(workspace.root / "scripts" / "loop"), *words], workspace.root)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_terminal_output_goes_above_the_table(workspace: Workspace) -> None:
    terminal = in_terminal(workspace, "0")
    shown = terminal.read()
    assert terminal.code() == 3, shown
    assert "\x1b[1A" in shown, "the table is drawn in place"
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.rsplit("\x1b[1A", 1)[1])
    rows = [line.split()[:3] for line in last.splitlines() if line.strip()]
    assert ["first", "done", "0"] in rows and ["second", "failed", "3"] in rows
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert {"from first", "100%", "at work"} <= {line.strip() for line in plain.splitlines()}
    log = (workspace.outputs("tiny") / "first/.run/log.txt").read_bytes()
    assert log == b"from first\nhalf\r50%\r100%\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_control_c_in_the_terminal_of_the_table(workspace: Workspace) -> None:
    terminal = in_terminal(workspace, "60")
    terminal.read(until=b"at work")
    terminal.press(b"\x03")
    shown = terminal.read()
    assert terminal.code() == 130, shown
    assert "stopped" in shown and "\x1b[?25h" in shown, "the cursor is there again"
    left = [path for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, workspace.root)]
    assert left == []


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return os.readlink(link).startswith(str(folder))
    except OSError:
        return False
