"""What says whether files of a run have changed since they were read: their times and sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import recorder

# Most files of a run's folder that are looked at.
_MOST_LOOKED_AT = 2000

# What takes long to read is not read again before so many times that time has passed.
_REST = 3.0

Stamps = tuple[tuple[int, int] | None, ...]


def rest_until(began: float, ended: float) -> float:
    """When files may be read again whose reading took from `began` to `ended`, on the same clock."""
    return ended + _REST * (ended - began)


def of_files(folder: Path, names: Sequence[str]) -> Stamps:
    """The time and the size of each file, None for one that is missing."""
    return tuple(_stamp(os.path.join(folder, name)) for name in names)


def of_tree(folder: Path) -> Stamps:
    """The number of files below a folder without the log, the sum of their sizes, the latest time."""
    count = total = latest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            stamp = _stamp(os.path.join(parent, name))
            if stamp is not None and name != os.path.basename(recorder.LOG):
                count, total, latest = count + 1, total + stamp[1], max(latest, stamp[0])
        if count > _MOST_LOOKED_AT:
            break
    return (count, total), (latest, 0)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
