"""Trials of a sweep that run at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..local import BackendElsewhere
from ..model.run import Run
from ..util.quick_dataclasses import dataclass
from . import lanes, parallel_parts
from .early_stops import EarlyStops
from .lanes import Lanes
from .part_process import Part
from .progress_table import SKIPPED, STOPPED, ProgressTable

if TYPE_CHECKING:
    from .sweep_executor import Sweep, Trial

# So often are the files of running trials looked at for early termination, in seconds.
INTERVAL = 0.5


@dataclass(slots=True)
class TrialsAtOnce:
    """Hears of the trials while they run, and says which one comes next.

    `limit` gives the seconds that a run may take and those that are left for all; `end` hears of a
    trial's exit code. `begin` gives the trial its values, and `stops` says which trials end early
    (None: none does).
    """

    planned: Sweep
    table: ProgressTable
    lanes: Lanes
    backend: str | BackendElsewhere
    limit: Callable[[Run], tuple[int | None, float | None]]
    end: Callable[[Trial, int], None]
    begin: Callable[[Trial], Trial]
    stops: EarlyStops | None = None
    waiting: list[Trial] = field(init=False)
    started: dict[str, Trial] = field(default_factory=dict, init=False)
    interval: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.waiting = list(self.planned.trials)
        self.interval = None if self.stops is None else INTERVAL

    def run_all(self) -> None:
        parallel_parts.carry_out(self.lanes.count, self)

    @property
    def has_more(self) -> bool:
        return bool(self.waiting)

    def next_part(self) -> tuple[str, Part] | None:
        while self.waiting:
            index = len(self.planned.trials) - len(self.waiting)
            trial = self.waiting.pop(0)
            limit, left = self.limit(trial.run)
            if left is not None and left <= 0:
                reason = f"limits.timeout is {self.planned.timeout} s"
                self.table.end(trial.name, SKIPPED, reason)
                continue
            trial = self.begin(trial)
            self.started[trial.name] = trial
            self.table.begin(trial.name)
            if self.stops is not None:
                self.stops.begun(trial.name, Path(trial.run.workspace.root, trial.run.outputs))
            run = replace(trial.run, job=replace(trial.run.job, timeout=limit))
            return trial.name, self.lanes.part(run, self.backend, index)
        return None

    def line(self, name: str, is_error: bool, text: str) -> None:
        lanes.show_line(self.table, name, is_error, text)

    def ended(self, name: str, code: int) -> None:
        self.end(self.started[name], code)

    def interrupted(self, name: str) -> None:
        self.table.end(name, STOPPED)

    def to_end(self) -> list[str]:
        if self.stops is None:
            return []
        ending = self.stops.look()
        for name, reason in ending.items():
            self.table.say(f"innerloop: {self.table.title(name)} is stopped early: {reason}")
        return list(ending)
