"""The order in which those who wait for something of this machine get it: first come, first served.

A turn is a lock (see `device_locks`) whose name says since when its process waits and for what. So the
turns of all users and workspaces are one queue, which nobody keeps: one ends with its process.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable

from . import device_locks
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

_PREFIX = "turn-"
_BITS = 64
_TRIES = 200
_NAME = late_pattern(r"turn-(\d{20})-([0-9a-f]{16})-([A-Za-z0-9_.-]{1,38})")


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """Who waits since `asked` (nanoseconds since 1970): `id` is a name for it.

    `wants` has a bit for each lock that it can do with. Two locks may have the same bit, so that one
    who could go on waits; nobody gets what another has.
    """

    asked: int
    id: str
    wants: int

    @property
    def name(self) -> str:
        """The name of its lock."""
        return f"{_PREFIX}{self.asked:020}-{self.wants:016x}-{self.id}"


def of(id: str, locks: Iterable[str]) -> Turn:
    """A turn of somebody who begins to wait for some of these locks."""
    wants = 0
    for lock in locks:
        wants |= 1 << zlib.crc32(lock.encode()) % _BITS
    plain = device_locks.plain_name(id)[:38] or "run"
    return Turn(time.time_ns(), plain, wants)


def parse(name: str) -> Turn | None:
    """The turn of a lock of this name; None for any other lock."""
    match = _NAME.fullmatch(name)
    return Turn(int(match[1]), match[3], int(match[2], 16)) if match else None


def waiting() -> list[Turn]:
    """All that wait on this machine, the first one first."""
    turns = map(parse, device_locks.taken(_PREFIX))
    return sorted(turn for turn in turns if turn is not None)


def ahead_of(turn: Turn, others: Iterable[Turn]) -> list[Turn]:
    """Those that come first: they wait longer, for something that this one could take. Pure."""
    return [other for other in others if other < turn and other.wants & turn.wants]


def enter(turn: Turn) -> device_locks.Release:
    """Wait in the queue, until what is returned is called or this process ends."""
    for _ in range(_TRIES):
        if (release := device_locks.take(turn.name)) is not None:
            return release
        time.sleep(0.01)  # another process looks whether it is taken
    return lambda: None  # this machine has no such locks, so nobody else has turns
