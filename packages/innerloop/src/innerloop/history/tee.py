"""Writes the output of this process and its children to a file, and shows it as before."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from ..util import files, process
from ..util.redaction import NO_REDACTION, RedactedStream, Redaction

# How long to wait for the output of background processes at the end, in seconds.
PATIENCE = 2.0
# An incomplete line is held back up to this length, in bytes.
LONGEST = 65536


@contextmanager
def recorded(log: Path, redaction: Redaction = NO_REDACTION) -> Iterator[None]:
    """Within, also write everything that is printed to stdout and stderr to the file `log`.

    The output of child processes is included. The file gets it byte for byte and line by line, but
    for the values that `redaction` masks. If stdout and stderr go to different targets, their lines
    are not mixed within a line.

    A terminal stays a terminal: the programs print to a pseudo-terminal of its size, so live lines,
    colours and the width stay as they are. On Windows, which has no pseudo-terminals, output to a
    terminal is not recorded. If `process.redirect_output` is active, its text is recorded.
    """
    callback = process.output_sink()
    if callback is not None:
        with _tee_callback(log, callback, redaction.stream()):
            yield
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]
    others = [[number] for number in (1, 2) if number not in terminals]
    if os.name == "nt":
        terminals = []
    with files.open_log(log) as file, ExitStack() as stack:
        for numbers in filter(None, [terminals, *others]):
            stack.enter_context(_redirect_fds(numbers, Lines(file, redaction.stream())))
        yield


class Lines:
    """Writes complete lines to a file that others write to as well.

    A live line ends with a carriage return. A line longer than `LONGEST` is written in pieces.
    """

    def __init__(self, file: IO[bytes], masked: RedactedStream | None = None) -> None:
        self.file = file
        self.masked = masked or NO_REDACTION.stream()
        self.incomplete = b""

    def write(self, chunk: bytes) -> None:
        text = self.incomplete + chunk
        end = len(text) if len(text) > LONGEST else max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self.incomplete = text[end:]
        if end:
            self.file.write(self.masked.write(text[:end]))

    def finish(self) -> None:
        """Write the incomplete line at the end of the output."""
        self.file.write(self.masked.write(self.incomplete) + self.masked.finish())
        self.incomplete = b""


@contextmanager
def _tee_callback(
    log: Path, callback: Callable[[str], None], masked: RedactedStream
) -> Iterator[None]:
    """Give the output to the log and to the callback."""
    with files.open_log(log) as file:

        def both(text: str) -> None:
            with suppress(ValueError):  # a background process still prints: the log is closed
                file.write(masked.write(text.encode("utf-8", "surrogateescape")))
            callback(text)

        with process.redirect_output(both):
            yield
        file.write(masked.finish())


@contextmanager
def _redirect_fds(numbers: Sequence[int], lines: Lines) -> Iterator[None]:
    """Redirect these file descriptors, which have the same target, through a copying thread to it."""
    _flush()
    before = {number: os.dup(number) for number in numbers}
    target = before[numbers[0]]
    with ExitStack() as stack:
        if os.isatty(target):
            reading, writing = _pseudo_terminal()
            stack.enter_context(_same_size(target, reading))
        else:
            reading, writing = os.pipe()
        for number in numbers:
            os.dup2(writing, number)
        os.close(writing)
        copier = threading.Thread(target=_copy, args=(reading, target, lines), daemon=True)
        copier.start()
        try:
            yield
        finally:
            _flush()
            for number in numbers:
                os.dup2(before[number], number)
            # A child in the background keeps its end open: there is no waiting for that.
            copier.join(PATIENCE)
            lines.finish()
            if not copier.is_alive():
                for number in before.values():
                    os.close(number)


def _copy(reading: int, target: int, lines: Lines) -> None:
    try:
        while chunk := os.read(reading, 65536):
            lines.write(chunk)
            _write_all(target, chunk)
    except (OSError, ValueError):
        pass  # the pseudo-terminal ended; the target is gone; or the log is closed
    finally:
        os.close(reading)  # programs that still print get an error


def _write_all(target: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            time.sleep(0.01)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


if sys.platform != "win32":
    import fcntl
    import termios
    import tty

    def _pseudo_terminal() -> tuple[int, int]:
        """(descriptor to read, descriptor to print to) of a pseudo-terminal that changes no byte."""
        reading, writing = os.openpty()
        tty.setraw(writing)
        return reading, writing

    @contextmanager
    def _same_size(original: int, pseudo: int) -> Iterator[None]:
        """Within, the pseudo-terminal has the terminal's size, also when the window is resized."""

        def resize(number: int = 0, frame: FrameType | None = None) -> None:
            size = fcntl.ioctl(original, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(pseudo, termios.TIOCSWINSZ, size)

        resize()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGWINCH, resize)
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)

else:

    def _pseudo_terminal() -> tuple[int, int]:
        raise OSError("Windows has no pseudo-terminals")

    @contextmanager
    def _same_size(original: int, pseudo: int) -> Iterator[None]:
        yield
