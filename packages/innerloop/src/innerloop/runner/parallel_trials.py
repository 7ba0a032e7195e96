"""Trials of a sweep that run at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ..model.run import Run
from ..util.quick_dataclasses import dataclass
from . import lanes, parallel_parts
from .lanes import Lanes
from .part_process import Part
from .progress_table import SKIPPED, STOPPED, ProgressTable

if TYPE_CHECKING:
    from .sweep_executor import Sweep, Trial


@dataclass(slots=True)
class TrialsAtOnce:
    """Hears of the trials while they run, and says which one comes next.

    `limit` gives the seconds that a run may take and those that are left for all; `end` hears of a
    trial's exit code.
    """

    planned: Sweep
    table: ProgressTable
    lanes: Lanes
    backend: str
    limit: Callable[[Run], tuple[int | None, float | None]]
    end: Callable[[Trial, int], None]
    waiting: list[Trial] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = list(self.planned.trials)

    def run_all(self) -> None:
        parallel_parts.carry_out(self.lanes.count, self)

    def next_part(self) -> tuple[str, Part] | None:
        while self.waiting:
            index = len(self.planned.trials) - len(self.waiting)
            trial = self.waiting.pop(0)
            limit, left = self.limit(trial.run)
            if left is not None and left <= 0:
                reason = f"limits.timeout is {self.planned.timeout} s"
                self.table.end(trial.name, SKIPPED, reason)
                continue
            self.table.begin(trial.name)
            run = replace(trial.run, job=replace(trial.run.job, timeout=limit))
            return trial.name, self.lanes.part(run, self.backend, index)
        return None

    def line(self, name: str, is_error: bool, text: str) -> None:
        lanes.show_line(self.table, name, is_error, text)

    def ended(self, name: str, code: int) -> None:
        self.end(next(one for one in self.planned.trials if one.name == name), code)

    def interrupted(self, name: str) -> None:
        self.table.end(name, STOPPED)
