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

    def next_part(self) -> tuple[str, Part] | None:
        """The name and the part to start now; None if there is none (for now, or any more)."""
        ...

    def line(self, name: str, is_error: bool, text: str) -> None: ...

    def ended(self, name: str, code: int) -> None: ...

    def interrupted(self, name: str) -> None: ...

    def to_end(self) -> Collection[str]:
        """The names of the parts that are asked to end now, each named once; the others go on."""
        ...


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    is_error: bool
    text: str


@dataclass(frozen=True, slots=True)
class _End:
    name: str
    code: int


_Events = queue.SimpleQueue["_Line | _End"]


def carry_out(count: int, watcher: Watcher) -> None:
    """Carry out what the watcher names, `count` at once, to its end.

    Ctrl-C asks all of them to end, a second one ends them; then it is raised again. A part that the
    watcher wants to end is asked as by Ctrl-C.
    """
    events: _Events = queue.SimpleQueue()
    programs: dict[str, LineProgram] = {}
    asked_at = time.monotonic()
    with process.signals_as_interrupts():
        try:
            while True:
                while len(programs) < count and (following := watcher.next_part()) is not None:
                    name, part = following
                    programs[name] = _started(name, part, events)
                if not programs:
                    return
                left = None
                if watcher.interval is not None:
                    left = max(asked_at + watcher.interval - time.monotonic(), 0.0)
                with suppress(queue.Empty):
                    _heard(events, programs, watcher, left)
                if left is not None and time.monotonic() >= asked_at + (watcher.interval or 0.0):
                    for name in watcher.to_end():
                        programs[name].ask_to_end()
                    asked_at = time.monotonic()
        except BaseException:
            _stop(events, programs, watcher)
            raise


def _started(name: str, part: Part, events: _Events) -> LineProgram:
    return LineProgram(
        part_process.argv(),
        part_process.given(part),
        on_line=lambda is_error, text: events.put(_Line(name, is_error, text)),
        on_end=lambda code: events.put(_End(name, code)),
    )


def _heard(
    events: _Events, programs: dict[str, LineProgram], watcher: Watcher, limit: float | None
) -> None:
    """Wait for the next event, and pass it on. Raises queue.Empty after so many seconds without one."""
    event = process.in_slices(lambda left: events.get(timeout=left), limit, queue.Empty)
    if isinstance(event, _Line):
        watcher.line(event.name, event.is_error, event.text)
        return
    del programs[event.name]
    watcher.ended(event.name, event.code)


def _stop(events: _Events, programs: dict[str, LineProgram], watcher: Watcher) -> None:
    """End all that go on. Each has the time to stop its container, unless Ctrl-C comes again."""
    for name in programs:
        watcher.interrupted(name)
    try:
        for program in programs.values():
            program.ask_to_end()
        while programs:
            event = process.in_slices(
                lambda left: events.get(timeout=left), 3 * process.GRACE, queue.Empty
            )
            if isinstance(event, _Line):
                watcher.line(event.name, event.is_error, event.text)
            else:
                del programs[event.name]
    except (queue.Empty, KeyboardInterrupt):
        for program in programs.values():
            with suppress(KeyboardInterrupt):
                program.end()
