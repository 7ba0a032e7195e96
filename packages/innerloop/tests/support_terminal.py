"""A terminal for tests: a program that believes a person sits in front of it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Terminal:
    """Starts the program on a pseudo terminal of its own, as its controlling one.

    `text` is all that it showed.
    """

    def __init__(
        self, argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], [str(word) for word in argv], {**os.environ, **(env or {})})

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """What was shown up to the text, since the last call."""
        end = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self.master], [], [], 0.2)
            if ready:
                try:
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    break
            assert time.monotonic() < end, f"{text!r} never came: {self.text!r}"
        assert text in self.text, f"{text!r} never came: {self.text!r}"
        before, _, self.text = self.text.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self, seconds: float = 120) -> int:
        """The exit code; what it shows on the way is read, so that it is not held up."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._drain()
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    time.sleep(0.05)
        subprocess.run(["kill", "-9", str(self.pid)], check=False)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"still running after {seconds} s: {self.text!r}")

    def _drain(self) -> None:
        """What the program printed last is still to be read when it has ended."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # Linux: the end
                return
            if not chunk:
                return
            self.text += chunk.decode("utf-8", "replace")
