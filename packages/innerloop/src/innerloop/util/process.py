"""Starts other programs. Nothing else in the tool does.

An argv is always a list: no shell interprets it, and nothing that a person typed becomes part of a
shell's text.
"""

from __future__ import annotations

import errno
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar

from . import programs, windows_processes
from .errors import UserError
from .quick_dataclasses import dataclass
from .text_parts import TextParts

Argv = Sequence[str]
T = TypeVar("T")

# Time for a program to save its work after it was asked to stop, in seconds.
GRACE = 10.0


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """A program that has ended: its exit code and its output."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class OutOfTime(Exception):
    """A program exceeded its time limit and was ended."""

    exit_code = 124


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, as when an editor closes the terminal or CI cancels the step."""

    exit_code = 143


# What asks a program in a group of its own to end.
_ASK = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
# Windows hears Ctrl-C only between two waits, each of so many seconds; elsewhere it ends a wait.
SLICE = 0.1 if os.name == "nt" else None
# What Windows gives as the exit code of a program that Ctrl-C ended (STATUS_CONTROL_C_EXIT).
_ENDED_BY_CTRL_C = 0xC000013A


def which(program: str, path: str | None = None) -> str | None:
    """The program's path according to PATH, or None.

    On Windows never one in the current folder, nor WSL's bash, nor the Python that opens the Store.
    """
    if os.name == "nt":
        environment = {**os.environ, **({} if path is None else {"PATH": path})}
        return programs.on_windows(program, environment)
    # As `shutil.which`, whose import takes longer than the search.
    if os.path.dirname(program):
        return program if _is_program(program) else None
    path = os.environ.get("PATH", os.defpath) if path is None else path
    found = (os.path.join(folder, program) for folder in path.split(os.pathsep) if path)
    return next(filter(_is_program, found), None)


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and not os.path.isdir(path)


class _Program(subprocess.Popen[bytes]):
    """A program that was started, with all that it starts.

    UserError if it cannot be started. With `own_group` it does not get the terminal's Ctrl-C. One
    that `outlives` this process is in no job of its on Windows.
    """

    def __init__(
        self,
        argv: Argv,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        *,
        own_group: bool = False,
        outlives: bool = False,
        **streams: Any,
    ) -> None:
        self._tree: windows_processes.ProcessTree | None = None
        self._has_own_group = own_group
        if sys.platform == "win32":
            streams["creationflags"] = windows_processes.SUSPENDED
            if outlives:
                streams["creationflags"] = windows_processes.NO_CONSOLE | windows_processes.NO_JOB
            if own_group:
                streams["creationflags"] |= subprocess.CREATE_NEW_PROCESS_GROUP
        elif own_group:
            streams["start_new_session"] = True
        words = _startable(argv, env)
        environment = None if env is None else dict(env)
        try:
            try:
                super().__init__(words, cwd=cwd, env=environment, **streams)
            except PermissionError:
                if sys.platform != "win32" or not outlives:
                    raise
                streams["creationflags"] &= ~windows_processes.NO_JOB
                super().__init__(words, cwd=cwd, env=environment, **streams)
        except (OSError, ValueError) as error:
            raise _cannot_start(argv, cwd, error) from error
        if sys.platform == "win32" and not outlives:
            # Before it runs: all that it starts is in its job.
            self._tree = windows_processes.ProcessTree(int(self._handle))
            windows_processes.start(int(self._handle))

    def wait(self, timeout: float | None = None) -> int:
        code = in_slices(super().wait, timeout, subprocess.TimeoutExpired)
        if self._tree is not None:
            self._tree.release()
        return code

    def end(self, patience: float = 3.0) -> None:
        """End it and all that it has started: first ask, after `patience` seconds by force.

        A shell alone would leave its children behind.
        """
        below = descendants(self.pid)
        try:
            self._ask_to_end(below)
            self.wait(patience)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.kill()
            super().wait()
            _signal(below, getattr(signal, "SIGKILL", signal.SIGTERM))

    def close_output(self) -> None:
        """Give up what it printed. On Windows the threads that read it do so, after its end."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None and os.name != "nt":
                with suppress(OSError):
                    pipe.close()

    def _ask_to_end(self, below: Sequence[int]) -> None:
        """On Windows only a program with a group of its own can be asked."""
        if sys.platform != "win32":
            self.terminate()
            _signal(below, signal.SIGTERM)
            return
        if self._has_own_group:
            with suppress(OSError, subprocess.TimeoutExpired):
                self.send_signal(signal.CTRL_BREAK_EVENT)
                super().wait(1.0)
        if self._tree is None or not self._tree.end():
            with suppress(OSError):
                self.terminate()
            _signal(below, signal.SIGTERM)


def _startable(argv: Argv, env: Mapping[str, str] | None) -> list[str] | str:
    """What Popen gets. On Windows the program's full path, or the line that a batch file needs.

    Otherwise a program of the current folder would come before those of PATH.
    """
    if os.name != "nt":
        return list(argv)
    environment = os.environ if env is None else env
    system = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32")
    return programs.command_line(argv, programs.on_windows(argv[0], environment), system)


def in_slices(wait: Callable[[float | None], T], timeout: float | None, over: type[Exception]) -> T:
    """What `wait(seconds)` returns within `timeout` seconds; else it raises `over`.

    On Windows it is called for a `SLICE` at a time, so that Ctrl-C is heard in between.
    """
    if SLICE is None:
        return wait(timeout)
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if until is None else max(0.0, min(SLICE, until - time.monotonic()))
        try:
            return wait(left)
        except over:
            if until is not None and time.monotonic() >= until:
                raise


def run(
    argv: Argv,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    exact: bool = False,
    own_group: bool = False,
) -> CompletedCommand:
    r"""Run a program and return its output.

    Line ends become "\n", and bytes that are not UTF-8 become U+FFFD. With `exact` both are kept, the
    bytes as in the names of files that Python reads. After `timeout` seconds the program is ended,
    with exit code 124. With `own_group` it does not get the terminal's Ctrl-C. UserError if it does
    not exist.
    """
    child = _Program(
        argv,
        cwd,
        env,
        own_group=own_group,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    data = None if stdin is None else stdin.encode("utf-8", "surrogateescape")
    try:
        raw_out, raw_err = _communicate(child, data, timeout)
    except subprocess.TimeoutExpired:
        child.end(0)
        child.close_output()
        return CompletedCommand(124, "", f"no answer within {timeout:g} s")
    except BaseException:
        child.end(0)
        child.close_output()
        raise
    out = raw_out.decode("utf-8", "surrogateescape") if exact else _text(raw_out)
    return CompletedCommand(child.returncode, out, _text(raw_err))


def _communicate(child: _Program, data: bytes | None, timeout: float | None) -> tuple[bytes, bytes]:
    inputs = [data]

    def communicate(left: float | None) -> tuple[bytes, bytes]:
        return child.communicate(inputs.pop() if inputs else None, left)

    return in_slices(communicate, timeout, subprocess.TimeoutExpired)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def run_together(
    *argvs: Argv, cwd: Path | None = None, timeout: float | None = None
) -> list[CompletedCommand]:
    """Run several programs at once and return their output in the order of the arguments.

    A missing program has exit code 127.
    """
    answers: list[CompletedCommand | None] = [None] * len(argvs)

    def ask(index: int, argv: Argv) -> None:
        try:
            answers[index] = run(argv, cwd=cwd, timeout=timeout)
        except UserError as error:
            answers[index] = CompletedCommand(127, "", error.message())

    threads = [threading.Thread(target=ask, args=(index, argv)) for index, argv in enumerate(argvs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]


def follow(
    argv: Argv,
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    hand_over: Sequence[int] = (),
) -> int:
    """Run a program, pass each line of its output to `on_line`, and return the exit code.

    Lines of stdout and stderr are passed as they come. Ctrl-C ends the program and is then raised
    again. The program inherits the file descriptors `hand_over` (not on Windows).
    """
    child = _Program(
        argv,
        cwd,
        env,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if os.name == "nt" else tuple(hand_over),
    )
    try:
        if stdin is not None and child.stdin is not None:
            _write_all(child.stdin, stdin)
        assert child.stdout is not None
        for raw in _lines_of(child.stdout):
            on_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
        return _exit_code(child.wait())
    except BaseException:  # also when `on_line` cannot show the line
        child.end()
        raise


def _lines_of(pipe: IO[bytes]) -> Iterator[bytes]:
    """Its lines as they come. On Windows a thread reads them, since a read does not hear Ctrl-C."""
    if SLICE is None:
        yield from pipe
        return
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        for line in pipe:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := in_slices(lambda left: lines.get(timeout=left), None, queue.Empty)) is not None:
        yield line


def _in_parallel(
    argv: Argv, cwd: Path | None, env: Mapping[str, str] | None, **streams: Any
) -> _Program:
    """A program whose stdout is read here; it does not get the terminal's Ctrl-C."""
    return _Program(argv, cwd, env, own_group=True, stdout=subprocess.PIPE, **streams)


class ChildProcess:
    """A program that runs in parallel.

    Lines are sent to its stdin and read from its stdout, and its stderr is kept for error reports.
    It does not get the terminal's Ctrl-C. Leaving the `with` ends it; it should end by itself when
    its stdin closes. It inherits the open files `inherits`, which Windows does not have.
    """

    def __init__(
        self,
        argv: Argv,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        inherits: Sequence[int] = (),
    ) -> None:
        self._child = _in_parallel(
            argv, cwd, env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=inherits
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors: deque[str] = deque(maxlen=200)
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.end(patience=1.0)

    def say(self, line: str) -> None:
        """Send a line. If the program has ended, the line is dropped: `errors` has the reason."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()

    def finish(self, patience: float) -> None:
        """Close its stdin, and give it so many seconds to end by itself."""
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(patience)

    def hear(self, timeout: float) -> str | None:
        """The next line, or None at the end of the output.

        TimeoutError after `timeout` seconds without one.
        """
        try:
            return in_slices(lambda left: self._lines.get(timeout=left), timeout, queue.Empty)
        except queue.Empty:
            raise TimeoutError from None

    @property
    def errors(self) -> str:
        """The last lines of its stderr, after its end."""
        self._readers[1].join(2)
        return "\n".join(self._errors)

    def _read_out(self) -> None:
        assert self._child.stdout is not None
        for raw in self._child.stdout:
            self._lines.put(raw.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self._child.stderr is not None
        for raw in self._child.stderr:
            self._errors.append(raw.decode("utf-8", "replace").rstrip("\r\n"))


class CollectedProgram:
    """A program that runs in parallel, and whose whole output is kept.

    It reads nothing, and does not get the terminal's Ctrl-C. One thread waits for its `result`;
    another one may end it meanwhile.
    """

    def __init__(
        self, argv: Argv, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._child = _in_parallel(argv, cwd, env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def result(self) -> CompletedCommand:
        """Its exit code and its output, at its end."""
        out, err = self._child.communicate()
        return CompletedCommand(_exit_code(self._child.returncode), _text(out), _text(err))

    def ask_to_end(self) -> None:
        """Ask it, and all that it has started, to end. Does not wait."""
        if self._child.poll() is None:
            self._child._ask_to_end(descendants(self._child.pid))

    def end(self) -> None:
        """End it and all that it has started; it has the time to stop a container first."""
        if self._child.poll() is None:
            self._child.end(patience=2 * GRACE)


class LineProgram:
    """A program that runs in parallel, and whose lines are passed on as they come.

    It gets bytes by `give` on its stdin, which stays open: a program that reads on sees there that
    this process has ended. It does not get the terminal's Ctrl-C. `on_line(is_error, line)` is called
    from threads, for a line of its stderr or stdout, and `on_end(exit code)` after the last one.
    """

    def __init__(
        self,
        argv: Argv,
        on_line: Callable[[bool, str], object],
        on_end: Callable[[int], object],
    ) -> None:
        self._child = _in_parallel(argv, None, None, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        pipes = ((False, self._child.stdout), (True, self._child.stderr))
        self._readers = [
            threading.Thread(
                target=self._read, args=(pipe, partial(on_line, is_error)), daemon=True
            )
            for is_error, pipe in pipes
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._wait, args=(on_end,), daemon=True).start()

    def give(self, data: bytes) -> None:
        assert self._child.stdin is not None
        with suppress(OSError):  # it has ended, and `on_end` says so
            self._child.stdin.write(data)
            self._child.stdin.flush()

    def ask_to_end(self) -> None:
        """Ask it to end, with what it has started. Does not wait."""
        if self._child.poll() is None:
            with suppress(OSError):
                self._child.send_signal(_ASK)

    def end(self) -> None:
        """End it and all that it has started, by force after a moment."""
        if self._child.poll() is None:
            self._child.end(patience=1.0)

    @staticmethod
    def _read(pipe: IO[bytes], on_line: Callable[[str], object]) -> None:
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            on_line(line.rpartition("\r")[2])

    def _wait(self, on_end: Callable[[int], object]) -> None:
        code = self._child.wait()
        for reader in self._readers:
            reader.join(2.0)  # something that it started may keep its output open
        on_end(_exit_code(code))


# Programs that go on without this process; nobody waits for them.
_DETACHED: list[_Program] = []


def start_detached(argv: Argv, given: bytes, *, cwd: Path) -> CompletedCommand | None:
    """Start a program that goes on when this process and its terminal have ended.

    It gets the bytes `given` on its stdin, and says with a first line on stdout that it needs nothing
    more. Returns None then, and its end if it ends before. An interruption until then ends it.
    """
    child = _Program(
        argv,
        cwd,
        own_group=True,
        outlives=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        with suppress(OSError):  # it has ended, and its stderr says why
            child.stdin.write(given)
            child.stdin.close()
        if child.stdout.readline().strip():
            _DETACHED.append(child)
            return None
        child.stdin = None
        out, err = child.communicate()
    except BaseException:
        child.end()
        raise
    return CompletedCommand(_exit_code(child.returncode), _text(out), _text(err))


class Pipes:
    """A program that runs in parallel, whose stdin and stdout carry bytes.

    It does not get the terminal's Ctrl-C. Leaving the `with` ends it; it should end by itself when
    its stdin closes.
    """

    def __init__(self, argv: Argv, *, env: Mapping[str, str] | None = None) -> None:
        self._child = _in_parallel(
            argv, None, env, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the output."""
        assert self._child.stdout is not None
        data: bytes = self._child.stdout.read(size)
        return data

    def write(self, data: bytes) -> None:
        """OSError when the program has ended."""
        assert self._child.stdin is not None
        self._child.stdin.write(data)
        self._child.stdin.flush()

    def end(self) -> None:
        """Close its stdin, wait a moment, then end it."""
        assert self._child.stdin is not None
        with suppress(OSError):  # it has ended
            self._child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(0.5)
        if self._child.poll() is None:
            self._child.end(patience=1.0)


def feed(argv: Argv, chunks: Iterable[bytes]) -> CompletedCommand:
    """Run a program that reads `chunks` from its stdin, and return its output.

    One that ends early gets no more of them. Whatever `chunks` raises ends it.
    """
    child = _in_parallel(argv, None, None, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    texts = {"out": b"", "err": b""}

    def keep(name: str, pipe: IO[bytes]) -> None:
        texts[name] = pipe.read()

    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    readers = [
        threading.Thread(target=keep, args=("out", child.stdout), daemon=True),
        threading.Thread(target=keep, args=("err", child.stderr), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        for chunk in chunks:
            try:
                child.stdin.write(chunk)
            except OSError:
                break  # it has ended: its exit code and its stderr say why
        with suppress(OSError):
            child.stdin.close()
        child.wait()
    except BaseException:
        child.end(0)
        raise
    finally:
        with suppress(OSError):
            child.stdin.close()
    for reader in readers:
        reader.join(2)
    return CompletedCommand(_exit_code(child.returncode), _text(texts["out"]), _text(texts["err"]))


class OutputStream:
    """A program that runs in parallel, and whose stdout is read as bytes, as they come.

    It does not get the terminal's Ctrl-C, and its stdin is open and empty. Leaving the `with` closes
    that and ends it.
    """

    def __init__(self, argv: Argv) -> None:
        self._child = _in_parallel(argv, None, None, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        # At most some megabytes wait to be read.
        self._chunks: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._is_over = False
        self._left = b""
        self._errors: deque[bytes] = deque(maxlen=200)
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> OutputStream:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.close()
        if self._child.poll() is None:
            self._child.end(patience=1.0)
        self._is_over = True
        with suppress(queue.Empty):
            self._chunks.get_nowait()  # the reader may wait for a place

    def chunk(self, timeout: float | None = None) -> bytes:
        """What has come; b"" at the end of the output. TimeoutError after so many seconds."""
        if self._left:
            found, self._left = self._left, b""
            return found
        if self._is_over:
            return b""
        try:
            found = in_slices(lambda left: self._chunks.get(timeout=left), timeout, queue.Empty)
        except queue.Empty:
            raise TimeoutError from None
        self._is_over = not found
        return found

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the output."""
        parts: list[bytes] = []
        while size > 0 and (part := self.chunk()):
            parts.append(part[:size])
            self._left = part[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def line(self) -> bytes:
        """The next line with its end, or what there is at the end of the output."""
        found = b""
        while b"\n" not in found and (part := self.chunk()):
            found += part
        first, end, self._left = found.partition(b"\n")
        return first + end

    def code(self) -> int:
        """Its exit code, once it has ended."""
        self._child.wait()
        return _exit_code(self._child.returncode)

    @property
    def errors(self) -> str:
        """The last lines of its stderr, after its end."""
        self._readers[1].join(2)
        return _text(b"".join(self._errors))

    def _read_out(self) -> None:
        assert self._child.stdout is not None
        while not self._is_over:
            chunk = os.read(self._child.stdout.fileno(), 65536)
            self._chunks.put(chunk)
            if not chunk:
                return

    def _read_err(self) -> None:
        assert self._child.stderr is not None
        self._errors.extend(self._child.stderr)


def run_foreground(
    argv: Argv,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_interrupt: Callable[[int], object] | None = None,
    limit: float | None = None,
    on_limit: Callable[[], object] | None = None,
) -> int:
    """Run a program in the foreground, with this terminal, and return its exit code.

    After `limit` seconds `on_limit` is called to stop what the program's end does not stop, the
    program and its children are ended, and `OutOfTime` is raised.

    On Ctrl-C the program gets the signal too, as a member of the same process group.
    `on_interrupt(n)` is called at the n-th press, and with n = 0 when the grace time after the
    first press is over, so that a caller can stop what the signal does not reach. The interruption
    is raised again when the program has ended. Inside of `redirect_output` the program's output
    goes there, and it has no stdin.
    """
    # From before the start: a signal that comes at once must not leave the program behind.
    with signals_as_interrupts():
        return _wait_foreground(argv, cwd, env, on_interrupt, limit, on_limit)


def _wait_foreground(
    argv: Argv,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    on_interrupt: Callable[[int], object] | None,
    limit: float | None,
    on_limit: Callable[[], object] | None,
) -> int:
    is_redirected = _sink is not None
    child = _Program(
        argv,
        cwd,
        env,
        stdin=subprocess.DEVNULL if is_redirected else None,
        stdout=subprocess.PIPE if is_redirected else None,
        stderr=subprocess.STDOUT if is_redirected else None,
    )
    presses = 0
    interruption: KeyboardInterrupt | None = None
    with _listening(child):
        try:
            for on_start in _on_start:
                on_start(child.pid)
        except BaseException:
            child.end()
            raise
        while True:
            try:
                code = child.wait(GRACE if interruption else limit)
                break
            except KeyboardInterrupt as interrupt:
                interruption = interruption or interrupt
                presses += 1
                if isinstance(interrupt, Terminated):
                    # The signal reached only this process.
                    _signal([child.pid, *descendants(child.pid)], signal.SIGTERM)
                _stop(child, presses, on_interrupt)
            except subprocess.TimeoutExpired:
                if interruption is None:
                    if on_limit is not None:
                        on_limit()
                    child.end(GRACE)
                    raise OutOfTime() from None
                _stop(child, 0, on_interrupt)
    if interruption is not None:
        raise interruption
    return _exit_code(code)


_sink: Callable[[str], None] | None = None


def output_sink() -> Callable[[str], None] | None:
    """What gets the output of `run_foreground`'s programs; None: our own stdout and stderr."""
    return _sink


@contextmanager
def redirect_output(on_text: Callable[[str], None]) -> Iterator[None]:
    """Within, pass the output of `run_foreground`'s programs to `on_text` as it comes.

    It comes in pieces that may end within a line. For a caller that draws on the terminal itself.
    """
    global _sink
    before, _sink = _sink, on_text
    try:
        yield
    finally:
        _sink = before


_on_start: tuple[Callable[[int], object], ...] = ()


@contextmanager
def reported_starts(on_start: Callable[[int], object]) -> Iterator[None]:
    """Within, pass the number of each process that `run_foreground` starts to `on_start`.

    An exception of it ends the program that was started. Several can be nested.
    """
    global _on_start
    before, _on_start = _on_start, (*_on_start, on_start)
    try:
        yield
    finally:
        _on_start = before


@contextmanager
def _listening(child: _Program) -> Iterator[None]:
    """Read the program's output in a thread.

    Waits only for a moment if a grandchild outlives the program and keeps the output open.
    """
    if _sink is None or child.stdout is None:
        yield
        return
    reader = threading.Thread(target=_pump, args=(child.stdout, _sink), daemon=True)
    reader.start()
    try:
        yield
    finally:
        reader.join(1.0)


def _pump(pipe: IO[bytes], on_text: Callable[[str], None]) -> None:
    """Text that cannot be shown is dropped: a pipe that nobody reads would stop the program."""
    parts = TextParts()
    while chunk := os.read(pipe.fileno(), 65536):
        with suppress(OSError, ValueError):
            on_text(parts.text(chunk))
    with suppress(OSError, ValueError):
        on_text(parts.rest())


def _stop(child: _Program, press: int, on_interrupt: Callable[[int], object] | None) -> None:
    if on_interrupt is not None:
        on_interrupt(press)
    if press != 1:
        child.end(patience=1.0)


def output_chunks(argv: Argv) -> Iterator[bytes]:
    """The output of a program, stdout and stderr as they come.

    UserError at the end if the program fails.
    """
    child = _Program(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    last = b""
    try:
        assert child.stdout is not None
        while chunk := os.read(child.stdout.fileno(), 1 << 16):
            last = (last + chunk)[-500:]
            yield chunk
        code = child.wait()
    finally:
        if child.poll() is None:
            child.end()
    if code != 0:
        lines = last.decode("utf-8", "replace").strip().splitlines() or ["no answer"]
        raise UserError(f"{' '.join(argv[:2])} failed: {lines[-1]}", code="command-failed")


def descendants(parent: int) -> list[int]:
    """The descendants of a process."""
    children: dict[int, list[int]] = {}
    for pid, above in _processes():
        children.setdefault(above, []).append(pid)
    below: list[int] = []
    todo = [parent]
    while todo:
        own_children = children.get(todo.pop(), [])
        below += own_children
        todo += own_children
    return below


def _processes() -> Iterator[tuple[int, int]]:
    """(process, its parent) of all: from Windows, from /proc if it exists, else from `ps`."""
    if os.name == "nt":
        yield from windows_processes.children(
            windows_processes.parents(), windows_processes.start_of
        )
        return
    import glob

    stats = glob.glob("/proc/[0-9]*/stat")
    for path in stats:
        try:
            name, _, rest = Path(path).read_text(errors="replace").rpartition(")")
            yield int(name.split(" ", 1)[0]), int(rest.split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it has just ended
    if not stats and which("ps") is not None:
        for line in run(["ps", "-A", "-o", "pid=,ppid="]).out.splitlines():
            pid, above = line.split()
            yield int(pid), int(above)


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise `Terminated`, so that the same clean-up runs as on Ctrl-C.

    Without effect outside of the main thread, which cannot handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Terminated()

    # SIGBREAK: the window is closed, or Ctrl-Break is pressed, on Windows.
    names = [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def terminate_self() -> None:
    """From another thread: raise `Terminated` in the main one, inside of `signals_as_interrupts`."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        signal.raise_signal(signal.SIGTERM)
    else:
        signal.pthread_kill(main, signal.SIGTERM)


class DeferredInterrupts:
    """What came since the start of `deferred_interrupts`."""

    def __init__(self) -> None:
        self.first: KeyboardInterrupt | None = None

    def raise_pending(self) -> None:
        if self.first is not None:
            raise self.first


@contextmanager
def deferred_interrupts(*, raises: bool = True) -> Iterator[DeferredInterrupts]:
    """Within, Ctrl-C, SIGTERM and SIGHUP interrupt only where `raise_pending` is called.

    One that comes after the last call is raised at the end of the block, unless the block raises, or
    with `raises` false: then the caller looks at `first`. Without effect outside of the main thread,
    which cannot handle signals.
    """
    interrupts = DeferredInterrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupts.first is None:
            interrupts.first = KeyboardInterrupt() if number == signal.SIGINT else Terminated()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name, None) for name in names]
    handlers = {number: signal.getsignal(number) for number in numbers if number is not None}
    # One that is ignored, as under nohup, or that no Python code handles, stays so.
    before = {
        n: handler for n, handler in handlers.items() if handler not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, note)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if raises:
        interrupts.raise_pending()


def exec_replace(argv: Argv, env: Mapping[str, str] | None = None) -> int:
    """Replace this process by the program.

    On Windows, which cannot: run it and return its exit code.
    """
    environment = dict(os.environ if env is None else env)
    if os.name == "nt":
        return run_foreground(argv, env=environment)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], list(argv), environment)
    except (OSError, ValueError) as error:
        raise _cannot_start(argv, None, error) from error


def browse(url: str) -> bool:
    """Open a URL in the browser ($BROWSER, else the system's). False if there is none."""
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _write_all(pipe: IO[bytes], text: str) -> None:
    try:
        pipe.write(text.encode())
        pipe.close()
    except BrokenPipeError:
        pass  # the program ended without reading; its exit code has the reason


def _exit_code(code: int) -> int:
    """The exit code as shells have it: 128 + n if signal n ended the program.

    Windows' own codes of 32 bits are negative numbers, as PowerShell shows them and `sys.exit`
    takes them; the one of Ctrl-C is 130.
    """
    if code == _ENDED_BY_CTRL_C:
        return 130
    if code >= 1 << 31:
        return code - (1 << 32)
    return 128 - code if code < 0 else code


def _cannot_start(argv: Argv, cwd: Path | None, error: OSError | ValueError) -> UserError:
    """The error for a program that the operating system does not start."""
    if isinstance(error, FileNotFoundError):
        return _missing_program(argv, cwd)
    if isinstance(error, ValueError):  # a zero byte or a lone surrogate
        return UserError(
            f"{argv[0]} cannot be started: {str(error).lower()}",
            code="text-unusable",
            hint="An argument or a variable has a character that no program can get: remove it",
        )
    if error.errno == errno.E2BIG or getattr(error, "winerror", 0) == 206:
        size = max((len(os.fsencode(word)) for word in argv), default=0)
        return UserError(
            f"{argv[0]} cannot be started: its arguments or its variables are too long (the longest "
            f"argument has {size:,} bytes)",
            code="argument-too-long",
            hint="Put it into a file that the program reads",
        )
    return UserError(
        f"{argv[0]} cannot be started: {error.strerror or error}", code="program-not-executable"
    )


def _missing_program(argv: Argv, cwd: Path | None) -> UserError:
    if cwd is not None and not cwd.is_dir():
        return UserError(f"the folder {cwd} does not exist", code="folder-missing")
    return UserError(
        f"the program {argv[0]} is not on PATH",
        code="program-missing",
        hint="Install it; `scripts/loop doctor` lists what is missing",
    )
