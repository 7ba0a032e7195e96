"""No program stops because of what its output is written to: each kind of target fails here."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from innerloop.history import tee
from tests.support import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors as POSIX has them")
SOURCE = ROOT / "packages" / "innerloop" / "src"


class Flaky:
    """A target whose writes fail with `number` from the `first` to the `last`, by their count."""

    def __init__(self, number: int, first: int, last: int = 10**9, short: int = 0) -> None:
        self.number, self.first, self.last, self.short = number, first, last, short
        self.calls = 0
        self.written = b""

    def write(self, data: memoryview) -> int:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            raise OSError(self.number, os.strerror(self.number))
        taken = bytes(data[: self.short or len(data)])
        self.written += taken
        return len(taken)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("first", [1, 2, 3, 5])
def test_failing_write_is_dropped_with_one_line(number: int, first: int) -> None:
    said: list[str] = []
    flaky = Flaky(number, first)
    writer = tee.DroppingWriter("the log", flaky.write, said.append)
    for index in range(8):
        writer.write(f"{index}\n".encode())
    writer.finish()
    assert flaky.written.decode() == "".join(f"{index}\n" for index in range(first - 1))
    assert said == [f"the log is incomplete from here: {os.strerror(number)}"]


@pytest.mark.parametrize("short", [1, 2, 0])
def test_writing_that_works_again_is_marked_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    monkeypatch.setattr(tee, "PAUSE", 0.0)
    said: list[str] = []
    flaky = Flaky(errno.ENOSPC, 4, 6, short)
    writer = tee.DroppingWriter("the log", flaky.write, said.append)
    lines = [f"line {index}\n".encode() for index in range(20)]
    for line in lines:
        writer.write(line)
    text = flaky.written.decode()
    missing = int(text.partition("[innerloop: ")[2].partition(" ")[0])
    marker = f"\n[innerloop: {missing} bytes are missing here: No space left on device]\n"
    assert len(text.replace(marker, "")) + missing == len(b"".join(lines))
    assert text.endswith("line 19\n")
    assert len(said) == 1


def test_target_that_is_gone_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "PAUSE", 0.0)
    flaky = Flaky(errno.EPIPE, 1)
    writer = tee.DroppingWriter("the output", flaky.write, lambda text: None, {errno.EPIPE})
    for _ in range(5):
        writer.write(b"x\n")
    assert flaky.calls == 1


def test_message_that_cannot_be_shown_stops_nothing() -> None:
    def say(text: str) -> None:
        raise OSError(errno.EIO, "the terminal is gone")

    writer = tee.DroppingWriter("the log", Flaky(errno.ENOSPC, 1).write, say)
    writer.write(b"x\n")


def run_recorded(log: Path, program: str, tail: str = "", stdout: str = "") -> tuple[int, str]:
    """Exit code of `program` (Python) in `tee.recorded`, and what the tool printed."""
    text = textwrap.dedent(f"""
        import subprocess, sys
        sys.path.insert(0, {str(SOURCE)!r})
        from pathlib import Path
        from innerloop.history import tee
        with tee.recorded(Path({str(log)!r})):
            code = subprocess.run([sys.executable, "-uc", {program!r}]).returncode
        sys.exit(code)
        """)
    command = f'set -o pipefail; "{sys.executable}" -c "$PROGRAM" {stdout} {tail}'
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PROGRAM": text},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


PRINTS = "import sys\nfor i in range(3000): print(i, 'x' * 60)\nsys.exit(3)"


def test_full_device_as_log_keeps_output_and_exit_code() -> None:
    code, text = run_recorded(Path("/dev/full"), PRINTS)
    assert code == 3
    assert "2999 xxx" in text
    assert text.count("the log is incomplete from here: No space left on device") == 1


def test_full_device_as_output_keeps_log_and_exit_code(tmp_path: Path) -> None:
    code, text = run_recorded(tmp_path / "log", PRINTS, stdout=">/dev/full")
    assert code == 3
    assert (tmp_path / "log").read_text().splitlines()[-1].startswith("2999 ")
    assert text.count("the output is incomplete from here") == 1


def test_slow_reader_gets_everything(tmp_path: Path) -> None:
    begun = time.monotonic()
    code, text = run_recorded(tmp_path / "log", PRINTS, tail="| (sleep 4; tail -n 1)")
    assert code == 3
    assert text.startswith("2999 ")
    assert time.monotonic() - begun > 3.5
    assert len((tmp_path / "log").read_text().splitlines()) == 3000


def test_program_in_the_background_does_not_hold_the_end(tmp_path: Path) -> None:
    leaves = "import subprocess\nsubprocess.Popen(['sleep', '30'])\nprint('done')"
    begun = time.monotonic()
    code, text = run_recorded(tmp_path / "log", leaves, tail="| head -n 1")
    assert (code, text) == (0, "done\n")
    assert time.monotonic() - begun < 10


@pytest.mark.mounts
def test_full_disk_keeps_output_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "filler").write_bytes(b"x" * 50_000)
        program = (
            "import os, sys, time\n"
            "for i in range(400): print(i, 'x' * 60)\n"
            f"time.sleep(0.3); os.unlink({str(disk / 'filler')!r}); time.sleep(1.2)\n"
            "for i in range(20): print('later', i)\n"
            "sys.exit(3)"
        )
        code, text = run_recorded(disk / "log", program)
        log = (disk / "log").read_text()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert code == 3
    assert "399 xxx" in text and "later 19" in text
    assert "bytes are missing here: No space left on device]" in log
    assert log.splitlines()[-1] == "later 19"
