"""The port at which an experiment's run waits for the debugger.

launch.json contains it as a plain number, the same in every clone, so it is derived from the names:
each experiment of a workspace has its own, and two of them can be debugged at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache

from .experiment import Experiment
from .workspace import Workspace

# Below the ephemeral ports of Linux, macOS and Windows, and above the well-known ones.
FIRST, COUNT = 24000, 4000


def of(names: Sequence[str], experiment: Experiment) -> int:
    """`debug_port` of innerloop.toml, else a port derived from the name."""
    return experiment.settings.debug_port or _ports(tuple(names))[experiment.name]


def of_open_file(workspace: Workspace) -> int:
    """The port of whatever is debugged by the file that is open: that of no experiment."""
    own = workspace.settings.debug_port
    return own or _ports((*workspace.experiments, _OPEN_FILE))[_OPEN_FILE]


# Sorts after the names of all experiments, so that it moves none of them to another port.
_OPEN_FILE = "\U0010ffff"


@cache  # called for each experiment of a large workspace
def _ports(names: tuple[str, ...]) -> dict[str, int]:
    """By name. A new experiment changes another's port only if both hash to the same."""
    taken: dict[int, str] = {}
    for name in sorted(names):
        slot = zlib.crc32(name.encode()) % COUNT
        while slot in taken:
            slot = (slot + 1) % COUNT
        taken[slot] = name
    return {name: FIRST + slot for slot, name in taken.items()}
