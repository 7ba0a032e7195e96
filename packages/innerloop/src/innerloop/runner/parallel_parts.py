"""Several parts of a larger run at once, each in a process of its own."""

from __future__ import annotations

import queue
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Protocol

from ..util import process
from ..util.process import LineProgram
from ..util.quick_dataclasses import dataclass
from . import part_process
from .part_process import Part


class Watcher(Protocol):
    """What hears of the parts: always in the thread that carries them out.

    `interval`: so many seconds lie between two questions for parts that are to end; None for none.
    """

    interval: float | None

    @property
    def has_more(self) -> bool:
        """Whether `next_part` may have another one."""
        ...

    def next_part(self) -> tuple[str, Part] | None:
        """The name and the part to start now; None if there is none (for now, or any more)."""
        ...

    def line(self, name: str, is_error: bool, text: str) -> None: ...

    def ended(self, name: str, code: int) -> None: ...

    def interrupted(self, name: str) -> None: ...

    def to_end(self) -> Collection[str]:
        """The names of the parts that are asked to end now, each named once; the others go on."""
        ...


@dataclass(slots=True)
class _PartProcess:
    """The process of a part, which has its `name`; "" before it gets one."""

    program: LineProgram | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    worker: _PartProcess
    is_error: bool
    text: str


@dataclass(frozen=True, slots=True)
class _End:
    worker: _PartProcess
    code: int


_Events = queue.SimpleQueue["_Line | _End"]


class _Workers:
    """The processes that carry out parts, and one that has started already for the next part."""

    def __init__(self) -> None:
        self.events: _Events = queue.SimpleQueue()
        self.programs: dict[str, LineProgram] = {}
        self._spare: _PartProcess | None = None

    def start(self, name: str, part: Part) -> None:
        worker, self._spare = self._spare or self._new(), None
        assert worker.program is not None
        worker.name = name
        self.programs[name] = worker.program
        worker.program.give(part_process.given(part))

    def prepare(self) -> None:
        """Start the process of the next part: that takes some tenths of a second."""
        self._spare = self._spare or self._new()

    def release(self) -> None:
        """End the process that waits for a part."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.program is not None:
            spare.program.end()

    def _new(self) -> _PartProcess:
        worker = _PartProcess()
        worker.program = LineProgram(
            part_process.argv(),
            on_line=lambda is_error, text: self.events.put(_Line(worker, is_error, text)),
            on_end=lambda code: self.events.put(_End(worker, code)),
        )
        return worker

    def pass_on(self, event: _Line | _End, watcher: Watcher) -> None:
        """Tell the watcher, unless nothing is known of the part."""
        name = event.worker.name
        if isinstance(event, _Line):
            if name:
                watcher.line(name, event.is_error, event.text)
            return
        if name:
            del self.programs[name]
            watcher.ended(name, event.code)
        elif event.worker is self._spare:
            self._spare = None


def carry_out(count: int, watcher: Watcher) -> None:
    """Carry out what the watcher names, `count` at once, to its end.

    Ctrl-C asks all of them to end, a second one ends them; then it is raised again. A part that the
    watcher wants to end is asked as by Ctrl-C.
    """
    workers = _Workers()
    programs = workers.programs
    asked_at = time.monotonic()
    with process.signals_as_interrupts():
        try:
            while True:
                while len(programs) < count and (following := watcher.next_part()) is not None:
                    workers.start(*following)
                if not programs:
                    return
                if watcher.has_more:
                    workers.prepare()
                left = None
                if watcher.interval is not None:
                    left = max(asked_at + watcher.interval - time.monotonic(), 0.0)
                with suppress(queue.Empty):
                    _heard(workers, watcher, left)
                if left is not None and time.monotonic() >= asked_at + (watcher.interval or 0.0):
                    for name in watcher.to_end():
                        programs[name].ask_to_end()
                    asked_at = time.monotonic()
        except BaseException:
            _stop(workers, watcher)
            raise
        finally:
            workers.release()


def _heard(workers: _Workers, watcher: Watcher, limit: float | None) -> None:
    """Wait for the next event, and pass it on. Raises queue.Empty after so many seconds without one."""
    event = process.in_slices(lambda left: workers.events.get(timeout=left), limit, queue.Empty)
    workers.pass_on(event, watcher)


def _stop(workers: _Workers, watcher: Watcher) -> None:
    """End all that go on. Each has the time to stop its container, unless Ctrl-C comes again."""
    programs = workers.programs
    for name in programs:
        watcher.interrupted(name)
    try:
        for program in programs.values():
            program.ask_to_end()
        while programs:
            event = process.in_slices(
                lambda left: workers.events.get(timeout=left), 3 * process.GRACE, queue.Empty
            )
            if isinstance(event, _End):
                programs.pop(event.worker.name, None)
            elif event.worker.name:
                watcher.line(event.worker.name, event.is_error, event.text)
    except (queue.Empty, KeyboardInterrupt):
        for program in programs.values():
            with suppress(KeyboardInterrupt):
                program.end()
