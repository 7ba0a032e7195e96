"""What is done at a signal, for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signal(name: str, act: Callable[[], object]) -> Iterator[None]:
    """Within, `act` is done at the signal `name` too, after what was done at it before.

    Without effect outside of the main thread, and on a system without that signal.
    """
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        act()

    signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)
