"""A container that is created, attached, started and awaited over the engine's socket.

It behaves as `docker run` in the foreground, without the time that the start of the client takes.
Whatever the engine refuses is left to the client, whose messages and exit codes people know.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import quote

from ..model.container import ContainerSpec
from ..model.container_api import create_body
from ..util import process
from ..util.process import GRACE, OutOfTime, Terminated
from ..util.signals import on_signal
from ..util.text_parts import TextParts
from . import client, early_container, engine, engine_socket
from .engine_socket import LateAnswer, Stream

# As the client's, for an engine that went away while a container ran.
LOST = 125
# That of a program which Ctrl-\\ ended, before it was there.
_QUIT = 131
# How long the end of a container that was stopped is waited for, in seconds.
_LAST = 5.0


def run(
    container: ContainerSpec,
    environ: Mapping[str, str],
    *,
    limit: float | None = None,
    stop: Callable[[int], object],
) -> int | None:
    """The exit code of a container in the foreground; None if the client has to start it.

    Nothing is left of a container that the client has to start. `environ` is what the client would
    have. After `limit` seconds the container is stopped and OutOfTime raised. On Ctrl-C it gets the
    signal, unless it has a terminal of its own; after the grace time, or at the second press, it is
    stopped. The interruption is raised when it has ended. `stop(seconds)` stops it, and gives it so
    much time.
    """
    socket_path = engine.own_socket()
    if socket_path is None or not client.is_plain(environ):
        return None
    body = create_body(container, environ)
    if body is None:
        return None
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    attached = _Attached(socket_path, container, body)
    with process.signals_as_interrupts(), attached.quit_forwarded():
        return attached.carry_out(limit, stop)


class _Attached:
    """A container, the threads that carry its streams, and how it ends.

    The main thread only waits, so that an interruption never comes within a read or a write.
    """

    def __init__(self, socket_path: str, container: ContainerSpec, body: dict[str, Any]) -> None:
        self.socket_path = socket_path
        self.container = container
        self.body = body
        self.is_redirected = process.output_sink() is not None
        self.id = ""
        self.code: int | None = None
        self.is_refused = False
        self.is_cancelled = False
        self.is_started = False
        self.is_running = False
        self.late_signal = ""
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def carry_out(self, limit: float | None, stop: Callable[[int], object]) -> int | None:
        presses = 0
        interruption: KeyboardInterrupt | None = None
        with ExitStack() as stack:
            if self.container.terminal:
                stack.enter_context(_raw_terminal())
                stack.enter_context(self._resized())
            threading.Thread(target=self._work, daemon=True).start()
            while not self.ended.is_set():
                try:
                    if self.ended.wait(GRACE if interruption else limit):
                        break
                    stop(2 if interruption else 10)
                    self.ended.wait(_LAST)
                    if interruption is None:
                        raise OutOfTime()
                    break
                except KeyboardInterrupt as interrupt:
                    interruption = interruption or interrupt
                    presses += 1
                    if presses > 1:
                        with suppress(KeyboardInterrupt):
                            stop(2)
                            self.ended.wait(_LAST)
                        break
                    if isinstance(interrupt, Terminated):
                        self.pass_signal("TERM")
                    elif not self.container.terminal:
                        self.pass_signal("INT")
        if interruption is not None:
            raise interruption
        return None if self.is_refused else self.code

    def pass_signal(self, name: str) -> None:
        """Send a signal to the program. A container that has not been started is not started."""
        with self.lock:
            if not self.is_started:
                self.is_cancelled = True
                return
            if not self.is_running:  # the engine would refuse it
                self.late_signal = name
                return
        self._send_signal(name)

    def _send_signal(self, name: str) -> None:
        target = f"/containers/{self.id}/kill?signal={name}"
        threading.Thread(target=engine.api, args=("POST", target), daemon=True).start()

    def _work(self) -> None:
        """Create, start and follow it. Nothing that goes wrong leaves the main thread waiting."""
        try:
            self._follow()
        except (OSError, ValueError):
            self.code = LOST
        finally:
            self.ended.set()

    def _follow(self) -> None:
        if not self._create():
            return
        has_stdin = self.container.interactive
        query = "stream=1&stdout=1&stderr=1" + "&stdin=1" * has_stdin
        target = f"/containers/{self.id}"
        try:
            stream = Stream(
                self.socket_path, f"{target}/attach?{query}", is_raw=self.container.terminal
            )
            removes = self.body["HostConfig"]["AutoRemove"]
            condition = "removed" if removes else "next-exit"
            end = LateAnswer(self.socket_path, "POST", f"{target}/wait?condition={condition}")
            is_started = self._start()
        except (OSError, ValueError):
            if self.is_started:
                raise
            is_started = False
        if not is_started:
            self._refuse()
            return
        self._resize()
        output = threading.Thread(target=self._print, args=(stream,), daemon=True)
        output.start()
        reading, writing = os.pipe()
        reader = threading.Thread(target=self._feed, args=(stream, reading), daemon=True)
        if has_stdin:
            reader.start()
        try:
            answer = end.wait()
            code = answer.value.get("StatusCode") if isinstance(answer.value, dict) else None
            output.join()
            self.code = code if isinstance(code, int) else LOST
        finally:
            os.close(writing)
            stream.end()
            if has_stdin:
                reader.join()
            os.close(reading)

    def _create(self) -> bool:
        self.id = early_container.take(self.container.name, self.body)
        if self.id:
            return True
        name = quote(self.container.name)
        try:
            created = engine_socket.request(
                self.socket_path,
                "POST",
                f"/containers/create{f'?name={name}' if name else ''}",
                self.body,
                timeout=None,
            )
            if created.code == 201:
                self.id = str(created.value["Id"])
        except (OSError, ValueError, TypeError, KeyError):
            pass
        if not self.id:
            self._refuse()
        return bool(self.id)

    def _start(self) -> bool:
        with self.lock:
            if self.is_cancelled:
                return False
            self.is_started = True
        answer = engine_socket.request(
            self.socket_path, "POST", f"/containers/{self.id}/start", {}, timeout=None
        )
        with self.lock:
            self.is_started = self.is_running = answer.code in (204, 304)
        if self.is_running and self.late_signal:
            self._send_signal(self.late_signal)
        return self.is_running

    def _refuse(self) -> None:
        """The client starts it in our place: nothing of it stays.

        An engine that removes it itself (`--rm`) may still be at it.
        """
        self.is_refused = not self.is_cancelled
        self.code = _QUIT
        for _ in range(100 if self.id else 0):
            code, _ = engine.api("DELETE", f"/containers/{self.id}?v=1&force=1") or (404, None)
            if code != 409:
                return
            time.sleep(0.1)

    def _print(self, stream: Stream) -> None:
        outputs: dict[int, _Output] = {}
        with suppress(OSError):
            for number, data in stream.outputs():
                if number not in outputs:
                    outputs[number] = _Output(number)
                outputs[number].write(data)
        for output in outputs.values():
            output.finish()

    def _feed(self, stream: Stream, until: int) -> None:
        """Pass our stdin on, until there is something to read from `until` too."""
        with suppress(OSError, ValueError):
            while not self.is_redirected:
                ready, _, _ = select.select([0, until], [], [])
                if until in ready:
                    return
                if not (data := os.read(0, engine_socket.CHUNK)):
                    break
                stream.write(data)
        with suppress(OSError):
            stream.close_input()

    def quit_forwarded(self) -> AbstractContextManager[None]:
        r"""Within, Ctrl-\ is for the program, as `docker run` forwards it; its end is the run's."""
        return on_signal("SIGQUIT", lambda: self.pass_signal("QUIT"))

    def _resized(self) -> AbstractContextManager[None]:
        """Within, the container's terminal has the size of ours."""

        def resize() -> None:
            threading.Thread(target=self._resize, daemon=True).start()

        return on_signal("SIGWINCH", resize)

    def _resize(self) -> None:
        if self.container.terminal and self.is_started:
            with suppress(OSError):
                size = os.get_terminal_size(0)
                target = f"/containers/{self.id}/resize?h={size.lines}&w={size.columns}"
                engine.api("POST", target)


class _Output:
    """One of our outputs. What its reader does not take any more is dropped: the program goes on."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._sink = process.output_sink()
        self._parts = TextParts()
        self._is_gone = False

    def write(self, data: bytes) -> None:
        if self._sink is not None:
            with suppress(OSError, ValueError):
                self._sink(self._parts.text(data))
            return
        view = memoryview(data)
        while view and not self._is_gone:
            try:
                view = view[os.write(self._number, view) :]
            except BlockingIOError:
                select.select([], [self._number], [], 1.0)
            except OSError:
                self._is_gone = True

    def finish(self) -> None:
        if self._sink is not None:
            with suppress(OSError, ValueError):
                self._sink(self._parts.rest())


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Within, each key goes to the program as it is, Ctrl-C too."""
    if sys.platform == "win32":
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
