"""Trials of a sweep at once: how many, and on which GPUs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..model import parallelism
from ..model.jobs import sweep
from ..model.parallelism import Machine, Parallelism
from ..model.run import Request, Run
from ..util import ports
from . import device_claims, parallel_parts
from .device_claims import ClaimableGpu
from .part_process import Part
from .progress_table import SKIPPED, STOPPED, ProgressTable

if TYPE_CHECKING:
    from .sweep_executor import Sweep, Trial

_ONE = Parallelism(1, "")
# Between the first ports of two distributed trials on this machine.
_PORTS_EACH = 16


@dataclass(frozen=True, slots=True)
class Lanes:
    """How many trials run at once, and the GPUs that they share out among them, `gpus_each` each."""

    parallelism: Parallelism = _ONE
    devices: tuple[ClaimableGpu, ...] = ()
    gpus_each: int = 0

    @property
    def count(self) -> int:
        return self.parallelism.count


def lanes(planned: Sweep, first: Request, asked: int | None) -> Lanes:
    """For a sweep whose first trial has this request; `asked` is --parallel, None without it."""
    run = planned.trials[0].run
    if run.ports:
        return Lanes(Parallelism(1, "a service of the job has one port of this machine"))
    found = device_claims.candidates(run.experiment.settings.gpu) if first.gpu.use else ()
    gpus_each = 0
    if first.gpu.use and found != ():
        gpus_each = run.experiment.settings.gpu.count or 1
    machine = Machine(None if found is None else len(found), os.cpu_count() or 1, free_memory())
    decided = parallelism.of_parts(
        len(planned.trials),
        asked=asked,
        limit=sweep.max_concurrent_trials(planned.job),
        gpus_each=gpus_each,
        machine=machine,
    )
    return Lanes(decided, found or (), gpus_each)


def free_memory() -> int:
    """What programs may still take of this machine's memory, in bytes; 0 where nothing says it."""
    if sys.platform != "linux":
        return 0
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return 0


@dataclass(slots=True)
class TrialsAtOnce:
    """Hears of the trials while they run, and says which one comes next."""

    planned: Sweep
    table: ProgressTable
    lanes: Lanes
    backend: str
    trusted: bool
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
            run = replace(
                trial.run,
                job=replace(trial.run.job, timeout=limit),
                master_port=ports.free(trial.run.master_port + _PORTS_EACH * index),
            )
            return trial.name, Part(
                run, self.backend, self.trusted, self.lanes.devices, self.lanes.gpus_each
            )
        return None

    def line(self, name: str, is_error: bool, text: str) -> None:
        shown = f"{name} | {text}"
        if is_error or self.table.screen is not None:
            self.table.say(shown)
        else:
            print(shown, flush=True)

    def ended(self, name: str, code: int) -> None:
        trial = next(one for one in self.planned.trials if one.name == name)
        self.end(trial, code)

    def interrupted(self, name: str) -> None:
        self.table.end(name, STOPPED)
