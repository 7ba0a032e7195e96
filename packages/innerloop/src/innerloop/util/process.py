"""The one door to other programs.

Nothing else in the tool starts a program. An argv is always a list: no shell stands between, and
nothing that a person typed is ever pasted into a shell's text.
"""

from __future__ import annotations

import codecs
import glob
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from .errors import UserError

Argv = Sequence[str]

# How long a program that was asked to stop may take to save what it has, in seconds.
GRACE = 10.0


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """How a program ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class OutOfTime(Exception):
    """A program ran longer than it may, and has been ended."""

    exit_code = 124


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: an editor closed the terminal, or a runner cancelled the step."""

    exit_code = 143


def which(program: str, path: str | None = None) -> str | None:
    """Where PATH has the program, or None."""
    import shutil

    return shutil.which(program, path=path)


def run(
    argv: Argv,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> CompletedCommand:
    """Runs a program to its end and returns what it printed. A missing program is a `Mistake`."""
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise _not_there(argv, cwd) from error
    except subprocess.TimeoutExpired:
        return CompletedCommand(124, "", f"no answer within {timeout:g} s")
    return CompletedCommand(done.returncode, done.stdout, done.stderr)


def run_together(
    *argvs: Argv, cwd: Path | None = None, timeout: float | None = None
) -> list[CompletedCommand]:
    """Runs several programs at the same time; the answers come in the order of the arguments."""
    answers: list[CompletedCommand | None] = [None] * len(argvs)

    def ask(index: int, argv: Argv) -> None:
        try:
            answers[index] = run(argv, cwd=cwd, timeout=timeout)
        except UserError as mistake:
            answers[index] = CompletedCommand(127, "", mistake.message())

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
    """Runs a program, hands each line that it prints (stdout and stderr) to `on_line` as it
    comes, and returns the exit code. Ctrl-C ends the program before it goes on. `hand_over` are
    open files that the program keeps open as well (not on Windows)."""
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if os.name == "nt" else tuple(hand_over),
        )
    except FileNotFoundError as error:
        raise _not_there(argv, cwd) from error
    try:
        if stdin is not None and child.stdin is not None:
            _write_all(child.stdin, stdin)
        assert child.stdout is not None
        for raw in child.stdout:
            on_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
        return _true_code(child.wait())
    except KeyboardInterrupt:
        _end(child)
        raise


class ChildProcess:
    """A program beside this one: lines go to its stdin and come from its stdout, and what it says
    on stderr is kept for a report. It does not get the terminal's Ctrl-C; leaving the `with` ends
    it, and it should end itself when its stdin closes."""

    def __init__(
        self, argv: Argv, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        own_group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            self._child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **own_group,
            )
        except FileNotFoundError as error:
            raise _not_there(argv, cwd) from error
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
            _end(self._child, patience=1.0)

    def say(self, line: str) -> None:
        """A program that has ended hears nothing; what it said last tells why."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()

    def hear(self, timeout: float) -> str | None:
        """The next line, or None when the program has ended; TimeoutError when it says nothing
        for so many seconds."""
        try:
            return self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    @property
    def errors(self) -> str:
        """The end of what it said on stderr, when it has ended."""
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


def run_foreground(
    argv: Argv,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_interrupt: Callable[[int], None] | None = None,
    limit: float | None = None,
    on_limit: Callable[[], object] | None = None,
) -> int:
    """Runs a program in the foreground, with this terminal as its own, and returns its exit code.

    After `limit` seconds `on_limit` stops what the program's own end does not reach, the program
    and all that it started are ended, and `OutOfTime` is raised.

    On Ctrl-C the program has got the signal as well, as a member of the same process group;
    `on_interrupt(n)` is called at the n-th press (and once more, with n = 0, when the grace time
    after the first is over), so that a caller can stop what the signal does not reach. The
    interruption is raised again once the program has ended. Inside of `heard`, what the program
    prints goes there, and it has no stdin.
    """
    # From before the program starts: one that is asked to end at once must not be left behind.
    with signals_as_interrupts():
        return _attend(argv, cwd, env, on_interrupt, limit, on_limit)


def _attend(
    argv: Argv,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    on_interrupt: Callable[[int], None] | None,
    limit: float | None,
    on_limit: Callable[[], object] | None,
) -> int:
    is_heard = _listener is not None
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL if is_heard else None,
            stdout=subprocess.PIPE if is_heard else None,
            stderr=subprocess.STDOUT if is_heard else None,
        )
    except FileNotFoundError as error:
        raise _not_there(argv, cwd) from error
    except PermissionError as error:
        raise UserError(f"{argv[0]} cannot be started: {error.strerror}") from error
    presses = 0
    interruption: KeyboardInterrupt | None = None
    with _listening(child):
        while True:
            try:
                code = child.wait(GRACE if interruption else limit)
                break
            except KeyboardInterrupt as interrupt:
                interruption = interruption or interrupt
                presses += 1
                if isinstance(interrupt, Terminated):
                    # Only we were asked to end, not the program.
                    _signal([child.pid, *_descendants(child.pid)], signal.SIGTERM)
                _stop(child, presses, on_interrupt)
            except subprocess.TimeoutExpired:
                if interruption is None:
                    if on_limit is not None:
                        on_limit()
                    _end(child, GRACE)
                    raise OutOfTime() from None
                _stop(child, 0, on_interrupt)
    if interruption is not None:
        raise interruption
    return _true_code(code)


_listener: Callable[[str], None] | None = None


def output_sink() -> Callable[[str], None] | None:
    """Who hears what `attend`'s programs print; None where it goes to our own stdout and stderr."""
    return _listener


@contextmanager
def redirect_output(on_text: Callable[[str], None]) -> Iterator[None]:
    """Within, what `attend`'s programs print is handed to `on_text` as it comes, in pieces that
    need not end with a line: for whoever has the terminal to himself meanwhile."""
    global _listener
    before, _listener = _listener, on_text
    try:
        yield
    finally:
        _listener = before


@contextmanager
def _listening(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Reads the program's output in a thread, to its end. A grandchild that outlives the program
    and holds its output open is waited for no longer than a moment."""
    if _listener is None or child.stdout is None:
        yield
        return
    reader = threading.Thread(target=_pump, args=(child.stdout, _listener), daemon=True)
    reader.start()
    try:
        yield
    finally:
        reader.join(1.0)


def _pump(pipe: IO[bytes], on_text: Callable[[str], None]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := os.read(pipe.fileno(), 65536):
        on_text(decoder.decode(chunk))
    on_text(decoder.decode(b"", final=True))


def _stop(
    child: subprocess.Popen[bytes], press: int, on_interrupt: Callable[[int], None] | None
) -> None:
    if on_interrupt is not None:
        on_interrupt(press)
    if press != 1:
        _end(child, patience=1.0)


def _end(child: subprocess.Popen[bytes], patience: float = 3.0) -> None:
    """Asks, waits, insists: the program, and all that it started, which a shell leaves behind."""
    below = _descendants(child.pid)
    try:
        child.terminate()
        _signal(below, signal.SIGTERM)
        child.wait(patience)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()
        _signal(below, getattr(signal, "SIGKILL", signal.SIGTERM))


def _descendants(parent: int) -> list[int]:
    """The processes that a process started, and those that they did; [] on Windows."""
    if os.name == "nt":
        return []
    children: dict[int, list[int]] = {}
    for pid, above in _processes():
        children.setdefault(above, []).append(pid)
    below: list[int] = []
    todo = [parent]
    while todo:
        nearest = children.get(todo.pop(), [])
        below += nearest
        todo += nearest
    return below


def _processes() -> Iterator[tuple[int, int]]:
    """(process, its parent) of all that run: from /proc where there is one, else from `ps`."""
    stats = glob.glob("/proc/[0-9]*/stat")
    for path in stats:
        try:
            name, _, rest = Path(path).read_text(errors="replace").rpartition(")")
            yield int(name.split(" ", 1)[0]), int(rest.split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
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
    """Within, SIGTERM and SIGHUP arrive as the exception `Terminated`, so that the same clean-up
    runs as on Ctrl-C. Outside the main thread signals cannot be caught, and nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Terminated()

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def exec_replace(argv: Argv, env: Mapping[str, str] | None = None) -> int:
    """Replaces this process by the program; where the system cannot (Windows), runs it and
    returns its exit code."""
    environment = dict(os.environ if env is None else env)
    if os.name == "nt":
        return run_foreground(argv, env=environment)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], list(argv), environment)
    except FileNotFoundError as error:
        raise _not_there(argv, None) from error


def browse(url: str) -> bool:
    """Opens an address in the person's browser ($BROWSER, else the system's own); False where
    there is none."""
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
        pass  # The program ended without reading: its exit code says why.


def _true_code(code: int) -> int:
    """As a shell says it: 128 + n for a program that signal n ended."""
    return 128 - code if code < 0 else code


def _not_there(argv: Argv, cwd: Path | None) -> UserError:
    if cwd is not None and not cwd.is_dir():
        return UserError(f"the folder {cwd} is not there")
    return UserError(
        f"the program {argv[0]} is not on this machine",
        hint=f"Install it, or run `scripts/loop doctor` to see what is missing (PATH has no {argv[0]})",
    )
