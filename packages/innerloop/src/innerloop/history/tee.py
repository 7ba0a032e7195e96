"""What this process and its children print, shown as ever and written to a file as well."""

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

# How long output that a program left behind may take to arrive after its end, in seconds.
PATIENCE = 2.0
# Of a line without an end, so many bytes are kept back at most.
LONGEST = 65536


@contextmanager
def recorded(log: Path) -> Iterator[None]:
    """Within, all that goes to stdout and stderr, the children's too, is also written to the file
    `log`, line by line, in the bytes in which it was printed. Where stdout and stderr go to two
    places, no line of the one stands within a line of the other.

    A terminal stays a terminal: they print to a pseudo-terminal of its size, so live lines, colours
    and a program's own look at its width are as ever. On Windows, which has no such thing, what
    goes to a terminal is not recorded. Where somebody has the terminal to himself and listens
    (`process.heard`), the file gets what is heard.
    """
    listener = process.output_sink()
    if listener is not None:
        with _overheard(log, listener):
            yield
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]
    others = [[number] for number in (1, 2) if number not in terminals]
    if os.name == "nt":
        terminals = []
    with files.open_log(log) as file, ExitStack() as stack:
        for numbers in filter(None, [terminals, *others]):
            stack.enter_context(_led(numbers, Lines(file)))
        yield


class Lines:
    """Hands whole lines on to a file that others write to as well. A live line ends with a carriage
    return; one that is longer than `LONGEST` goes in pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.begun = b""

    def write(self, chunk: bytes) -> None:
        text = self.begun + chunk
        end = len(text) if len(text) > LONGEST else max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self.begun = text[end:]
        if end:
            self.file.write(text[:end])

    def finish(self) -> None:
        """What was begun, when no more will come."""
        self.file.write(self.begun)
        self.begun = b""


@contextmanager
def _overheard(log: Path, listener: Callable[[str], None]) -> Iterator[None]:
    with files.open_log(log) as file:

        def both(text: str) -> None:
            with suppress(ValueError):  # a program left behind still prints: the log is closed
                file.write(text.encode("utf-8", "surrogateescape"))
            listener(text)

        with process.redirect_output(both):
            yield


@contextmanager
def _led(numbers: Sequence[int], lines: Lines) -> Iterator[None]:
    """Leads these file descriptors, which go to the same place, through a copier to it."""
    _flush()
    before = {number: os.dup(number) for number in numbers}
    target = before[numbers[0]]
    with ExitStack() as stack:
        if os.isatty(target):
            reading, writing = _pseudo_terminal()
            stack.enter_context(_of_the_same_size(target, reading))
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
            # A child that goes on in the background keeps its end open, and is not waited for.
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
        pass  # a pseudo-terminal's way to end; whoever read the output is gone; the log is closed
    finally:
        os.close(reading)  # who still prints learns that nobody reads


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
        """(what to read, what to print to); it passes every byte on as it is."""
        reading, writing = os.openpty()
        tty.setraw(writing)
        return reading, writing

    @contextmanager
    def _of_the_same_size(original: int, pseudo: int) -> Iterator[None]:
        """Within, the pseudo-terminal has the terminal's size, also when the window changes."""

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
    def _of_the_same_size(original: int, pseudo: int) -> Iterator[None]:
        yield
