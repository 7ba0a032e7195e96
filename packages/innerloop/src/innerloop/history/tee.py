"""Writes the output of this process and its children to a file, and shows it as before."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from ..util import files, process
from ..util.redaction import NO_REDACTION, RedactedStream, Redaction
from ..util.signals import on_signal

# How long to wait for the output of background processes at the end, in seconds.
PATIENCE = 2.0
# An incomplete line is held back up to this length, in bytes.
LONGEST = 65536
# How long output that cannot be written is dropped before the next try, in seconds.
PAUSE = 1.0
# Errors of a target that is gone: its reader, its terminal or its connection.
_GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ECONNRESET, errno.ENOTCONN}

Say = Callable[[str], None]


@contextmanager
def recorded(log: Path, redaction: Redaction = NO_REDACTION) -> Iterator[None]:
    """Within, also write everything that is printed to stdout and stderr to the file `log`.

    The output of child processes is included. The file gets it byte for byte and line by line, but
    for the values that `redaction` masks. If stdout and stderr go to different targets, their lines
    are not mixed within a line.

    A terminal stays a terminal: the programs print to a pseudo-terminal of its size, so live lines,
    colours and the width stay as they are. On Windows, which has no pseudo-terminals, output to a
    terminal is not recorded. If `process.redirect_output` is active, its text is recorded.

    No program stops because of what its output is written to: what a full disk or a closed terminal
    does not take is dropped, with one line that says so, and goes on to the others.
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
    with ExitStack() as stack:
        say = stack.enter_context(_said_on_stderr())
        log_file = stack.enter_context(_log_file(log, say))
        for numbers in filter(None, [terminals, *others]):
            stack.enter_context(_redirect_fds(numbers, Lines(log_file, redaction.stream()), say))
        yield


class DroppingWriter:
    """Writes what can be written and drops the rest, so that its caller never stops.

    `write` is an `os.write`: it returns how many bytes it took. After an error everything is
    dropped for `PAUSE` seconds, or for ever if the target is gone (an errno in `gone`); `say` gets one line about the
    first. When writing works again, a line in the output itself says how many bytes are missing.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[memoryview], int],
        say: Say,
        gone: Collection[int] = (),
    ) -> None:
        self.name = name
        self._gone = gone
        self._write = write
        self._say = say
        self._lock = threading.Lock()  # two streams write to one log
        self._missing = 0
        self._reason = ""
        self._is_gone = False
        self._is_said = False
        self._next_try = 0.0

    def write(self, data: bytes) -> None:
        if data:
            with self._lock:
                self._write_or_drop(data)

    def finish(self) -> None:
        """Say in the output itself what is missing at its end, if that can be written."""
        with self._lock:
            if self._missing and not self._is_gone:
                with suppress(_IncompleteWrite):
                    self._all(self._marker())

    def _write_or_drop(self, data: bytes) -> None:
        if self._is_gone or (self._missing and time.monotonic() < self._next_try):
            self._missing += len(data)
            return
        try:
            if self._missing:
                self._all(self._marker())
                self._missing = 0
            self._all(data)
        except _IncompleteWrite as incomplete:
            # If the marker failed, nothing of the data was written.
            self._drop(len(data) if self._missing else incomplete.left, incomplete.error)

    def _drop(self, count: int, error: Exception) -> None:
        self._missing += count
        self._next_try = time.monotonic() + PAUSE
        self._reason = getattr(error, "strerror", None) or str(error)
        # A closed file raises ValueError: a program in the background prints after the end.
        self._is_gone = isinstance(error, ValueError) or getattr(error, "errno", 0) in self._gone
        if not self._is_said and not isinstance(error, ValueError):
            self._is_said = True
            with suppress(OSError, ValueError):
                self._say(f"{self.name} is incomplete from here: {self._reason}")

    def _marker(self) -> bytes:
        text = f"\n[innerloop: {self._missing} bytes are missing here: {self._reason}]\n"
        return text.encode("utf-8", "replace")

    def _all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._write(view) :]
            except BlockingIOError:
                time.sleep(0.01)  # the target does not block, and its reader is slow
            except (OSError, ValueError) as error:
                raise _IncompleteWrite(len(view), error) from error


class _IncompleteWrite(Exception):
    """`left` bytes could not be written."""

    def __init__(self, left: int, error: Exception) -> None:
        super().__init__(str(error))
        self.left = left
        self.error = error


class _Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Lines:
    """Writes complete lines to a file that others write to as well.

    A live line ends with a carriage return. A line longer than `LONGEST` is written in pieces.
    """

    def __init__(self, target: _Writer, masked: RedactedStream | None = None) -> None:
        self.target = target
        self.masked = masked or NO_REDACTION.stream()
        self.incomplete = b""

    def write(self, chunk: bytes) -> None:
        text = self.incomplete + chunk
        end = len(text) if len(text) > LONGEST else max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self.incomplete = text[end:]
        if end:
            self.target.write(self.masked.write(text[:end]))

    def finish(self) -> None:
        """Write the incomplete line at the end of the output."""
        self.target.write(self.masked.write(self.incomplete) + self.masked.finish())
        self.incomplete = b""


@contextmanager
def _log_file(log: Path, say: Say) -> Iterator[DroppingWriter]:
    """UserError if the log cannot be created; from then on nothing about it is an error."""
    file = files.open_log(log)
    writer = DroppingWriter("the log", lambda data: file.write(data) or 0, say)
    try:
        yield writer
    finally:
        writer.finish()
        with suppress(OSError):  # a network's disk may refuse the last bytes at this point
            file.close()


@contextmanager
def _said_on_stderr() -> Iterator[Say]:
    """A function that prints to stderr as it is now: within `_redirect_fds` it is our own pipe."""
    target = os.dup(2)

    def say(text: str) -> None:
        os.write(target, f"innerloop: {text}\n".encode("utf-8", "replace"))

    try:
        yield say
    finally:
        os.close(target)


@contextmanager
def _tee_callback(
    log: Path, callback: Callable[[str], None], masked: RedactedStream
) -> Iterator[None]:
    """Give the output to the log and to the callback."""
    with _log_file(log, lambda text: callback(f"innerloop: {text}\n")) as writer:

        def both(text: str) -> None:
            writer.write(masked.write(text.encode("utf-8", "surrogateescape")))
            callback(text)

        with process.redirect_output(both):
            yield
        writer.write(masked.finish())


@contextmanager
def _redirect_fds(numbers: Sequence[int], lines: Lines, say: Say) -> Iterator[None]:
    """Redirect these file descriptors, which have the same target, through a copying thread to it."""
    _flush()
    before = {number: os.dup(number) for number in numbers}
    target = before[numbers[0]]
    is_interrupted = True
    with ExitStack() as stack:
        if os.isatty(target):
            reading, writing = _pseudo_terminal()
            stack.enter_context(_same_size(target, reading))
        else:
            reading, writing = os.pipe()
        for number in numbers:
            os.dup2(writing, number)
        os.close(writing)
        # Standard error says what is missing on the others, and the log what is missing on it.
        copier = _Copier(reading, target, lines, None if 2 in numbers else say)
        copier.start()
        try:
            yield
            is_interrupted = False
        finally:
            _flush()
            for number in numbers:
                os.dup2(before[number], number)
            copier.wait(is_interrupted)
            lines.finish()
            if not copier.is_alive():
                for number in before.values():
                    os.close(number)


class _Copier(threading.Thread):
    """Copies from a descriptor to a log and a target until the end of what is printed."""

    def __init__(self, reading: int, target: int, lines: Lines, say: Say | None) -> None:
        super().__init__(daemon=True)
        self._reading = reading
        self._lines = lines
        self._target = DroppingWriter(
            "the output", lambda data: os.write(target, data), say or self._say_in_log, _GONE
        )
        self._copied = 0
        self._is_writing = False

    def run(self) -> None:
        while chunk := self._next():
            self._is_writing = True
            self._lines.write(chunk)
            self._target.write(chunk)
            self._copied += len(chunk)
            self._is_writing = False
        self._target.finish()
        os.close(self._reading)

    def wait(self, is_interrupted: bool) -> None:
        """Wait for what has been printed, however slow its reader is.

        A program in the background may keep the pipe open: it gets `PATIENCE`. After an
        interruption everything does.
        """
        self.join(PATIENCE)
        most = self._copied + 65536 + _waiting_bytes(self._reading)
        idle = 0  # twice, since a chunk that was just read is seen nowhere for a moment
        while not is_interrupted and self.is_alive() and self._copied < most and idle < 2:
            self.join(0.05)
            is_idle = not self._is_writing and not _waiting_bytes(self._reading)
            idle = idle + 1 if is_idle else 0

    def _next(self) -> bytes:
        try:
            return os.read(self._reading, 65536)
        except OSError:
            return b""  # every program has closed the pseudo-terminal

    def _say_in_log(self, text: str) -> None:
        self._lines.write(f"\ninnerloop: {text}\n".encode("utf-8", "replace"))


def _flush() -> None:
    """What does not get out is lost to the terminal alone: the run goes on."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


if sys.platform != "win32":
    import fcntl
    import termios
    import tty

    def _waiting_bytes(reading: int) -> int:
        """The bytes that were printed and not yet read."""
        try:
            size = fcntl.ioctl(reading, termios.FIONREAD, b"\0" * 4)
        except OSError:
            return 0  # the copier has closed it
        return int.from_bytes(size, sys.byteorder)

    def _pseudo_terminal() -> tuple[int, int]:
        """(descriptor to read, descriptor to print to) of a pseudo-terminal that changes no byte."""
        reading, writing = os.openpty()
        tty.setraw(writing)
        return reading, writing

    @contextmanager
    def _same_size(original: int, pseudo: int) -> Iterator[None]:
        """Within, the pseudo-terminal has the terminal's size, also when the window is resized."""

        def resize() -> None:
            with suppress(OSError):  # the terminal is gone
                size = fcntl.ioctl(original, termios.TIOCGWINSZ, b"\0" * 8)
                fcntl.ioctl(pseudo, termios.TIOCSWINSZ, size)

        resize()
        with on_signal("SIGWINCH", resize):
            yield

else:

    def _waiting_bytes(reading: int) -> int:
        """Windows does not say: `PATIENCE` is all."""
        return 0

    def _pseudo_terminal() -> tuple[int, int]:
        raise OSError("Windows has no pseudo-terminals")

    @contextmanager
    def _same_size(original: int, pseudo: int) -> Iterator[None]:
        yield
