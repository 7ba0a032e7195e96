"""A metric of a run that goes on, followed by looking at its files again and again."""

from __future__ import annotations

import time
from dataclasses import field
from pathlib import Path

from ..util.quick_dataclasses import dataclass
from . import change_stamps, metrics
from .change_stamps import Stamps


@dataclass(slots=True)
class FollowedMetric:
    """The values of the metric `name` in a run's `folder`, as far as they have been written.

    Its files are read only when they have changed. A file that cannot be read for a moment, such as
    a database that is just written to, takes nothing back.
    """

    folder: Path
    name: str
    values: tuple[float, ...] = ()
    _stamps: Stamps = field(default=(), init=False)
    _rest_until: float = field(default=0.0, init=False)

    def look(self, *, is_last: bool = False) -> tuple[float, ...]:
        """The values now. `is_last`: the run has ended, and its files are read in any case."""
        began = time.monotonic()
        if not is_last and began < self._rest_until:
            return self.values
        stamps = change_stamps.of_tree(self.folder)
        if is_last or stamps != self._stamps:
            found = metrics.curve(self.folder, self.name)
            if len(found) >= len(self.values):
                self.values = found
            self._stamps = stamps
        self._rest_until = change_stamps.rest_until(began, time.monotonic())
        return self.values
