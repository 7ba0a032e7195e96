"""Stop and Restart of the editor, for whatever `--debug` started.

The tool's gate is between the editor and the debugger. It reads how the editor leaves
(model/debug_messages): Stop ends the run as SIGTERM does, Restart ends it and starts it again, with
the job file as it is then, and an editor that only leaves lets it go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ..model.debug_messages import DebugMessages, Farewell
from ..util import console, gate, process
from ..util.gate import Gate, RelayCommand

# What a task's problem matcher takes as the start of a second run.
RESTARTS = "the debugger restarts it"


class DebugSession:
    """The editor's side of one command. Its port stays open from one start to the next."""

    def __init__(self) -> None:
        self._gates = ExitStack()
        self._gate: Gate | None = None
        self._port: int | None = None
        self._lock = threading.Lock()
        self._is_running = False
        self._farewell: Farewell | None = None

    def port(self, choose: Callable[[], int]) -> int:
        """The port of the first start."""
        if self._port is None:
            self._port = choose()
        return self._port

    def repeat(self, start: Callable[[], int]) -> int:
        """The exit code of `start`, which is called again for each Restart.

        `Terminated` when the editor stops it.
        """
        with process.signals_as_interrupts(), self._gates:
            while True:
                try:
                    return start()
                except process.Terminated:
                    if self._farewell != "restart":
                        raise
                    self._farewell = None

    @contextmanager
    def answering(self, port: int, relay: RelayCommand) -> Iterator[None]:
        """Within, the debugger behind `relay` answers at `port`, to this user alone."""
        if self._gate is None:
            opening = gate.opened(port, relay, "the debugger", console.say, self._converse)
            self._gate = self._gates.enter_context(opening)
        else:
            self._gate.use(relay)
        self._is_running = True
        try:
            yield
        finally:
            with self._lock:
                self._is_running = False
            self._gate.pause()

    def leave(self, farewell: Farewell) -> None:
        """The editor has left. Called by the thread of its connection."""
        with self._lock:
            if not self._is_running or self._farewell in ("stop", "restart"):
                return
            if farewell == "leave":
                if self._farewell is None:
                    console.say("the debugger has left, and the run goes on; F5 returns to it")
                self._farewell = farewell
                return
            self._farewell = farewell
            if self._gate is not None:
                self._gate.hold()
            if farewell == "restart":
                console.say(RESTARTS)
            process.terminate_self()

    @property
    def is_ending(self) -> bool:
        return self._farewell in ("stop", "restart")

    def _converse(self) -> _EditorConnection:
        if self._farewell == "leave":
            self._farewell = None
        return _EditorConnection(self)


class _EditorConnection:
    """One connection of the editor: to the run, or to one of its processes."""

    def __init__(self, session: DebugSession) -> None:
        self._session = session
        self._messages = DebugMessages()

    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        forwarded, answer = self._messages.from_editor(data)
        if self._messages.farewell is not None:
            self._session.leave(self._messages.farewell)
        return forwarded, answer

    def from_behind(self, data: bytes) -> None:
        self._messages.from_debugger(data)

    def keeps_open(self) -> bool:
        """While the run is ending, so that a program that is stopped does not go on meanwhile."""
        return self._session.is_ending
