"""The port at which an experiment's run waits for the debugger.

launch.json holds it as a plain number, the same in every clone, so it follows from the names alone:
each experiment of a workspace has its own, and two of them can be debugged at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache

from .experiment import Experiment

# Below the ports that Linux, macOS and Windows hand out by themselves, clear of the well known.
FIRST, COUNT = 24000, 4000


def of(names: Sequence[str], experiment: Experiment) -> int:
    """`debug_port` of innerloop.toml, else one that follows from the name."""
    return experiment.settings.debug_port or _ports(tuple(names))[experiment.name]


@cache  # asked for each of a thousand experiments
def _ports(names: tuple[str, ...]) -> dict[str, int]:
    """By name, in an order in which a new experiment moves an old one's only when both fall on
    the same."""
    taken: dict[int, str] = {}
    for name in sorted(names):
        place = zlib.crc32(name.encode()) % COUNT
        while place in taken:
            place = (place + 1) % COUNT
        taken[place] = name
    return {name: FIRST + place for place, name in taken.items()}
