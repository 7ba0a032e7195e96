"""Steps of a pipeline that run at once: those that wait for no other."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ..model.jobs.pipeline import Step
from ..util.quick_dataclasses import dataclass
from . import lanes, parallel_parts
from .lanes import Lanes
from .part_process import Part
from .progress_table import RUNNING, SKIPPED, STOPPED, WAITING

if TYPE_CHECKING:
    from .pipeline_executor import PipelineRun


@dataclass(slots=True)
class StepsAtOnce:
    """Hears of the steps while they run, and says which one comes next.

    A step that is a sweep of several trials runs alone, since they share the machine out themselves.
    `code` is that of the first step that failed.
    """

    pipeline: PipelineRun
    lanes: Lanes
    waiting: list[Step] = field(init=False)
    code: int = field(default=0, init=False)
    interval: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.waiting = list(self.pipeline.planned.steps)

    def run_all(self) -> int:
        parallel_parts.carry_out(self.lanes.count, self)
        return self.code

    @property
    def has_more(self) -> bool:
        return bool(self.waiting)

    def next_part(self) -> tuple[str, Part] | None:
        while (step := self._next()) is not None:
            pipeline = self.pipeline
            self.waiting.remove(step)
            if (reason := pipeline.reason_to_skip(step, self.code)) is not None:
                pipeline.table.end(step.name, SKIPPED, reason)
                continue
            pipeline.table.begin(step.name)
            pipeline.write_if_possible()
            ready = pipeline.ready[step.name]
            if ready.trials is not None:
                self._count(pipeline.run_step(step))
                continue
            pipeline.make_outputs(step)
            index = len(pipeline.planned.steps) - len(self.waiting)
            started = ready.started
            return step.name, self.lanes.part(started.run, started.backend, index)
        return None

    def _next(self) -> Step | None:
        """The first step whose sources have all ended."""
        rows = self.pipeline.table.rows
        is_busy = any(rows[step.name].state == RUNNING for step in self.pipeline.planned.steps)
        for step in self.waiting:
            if any(rows[name].state in (WAITING, RUNNING) for name in step.needs):
                continue
            if is_busy and self.pipeline.ready[step.name].trials is not None:
                continue
            return step
        return None

    def line(self, name: str, is_error: bool, text: str) -> None:
        lanes.show_line(self.pipeline.table, name, is_error, text)

    def ended(self, name: str, code: int) -> None:
        step = next(one for one in self.pipeline.planned.steps if one.name == name)
        self._count(self.pipeline.finish(step, *self.pipeline.judged(step, code)))

    def interrupted(self, name: str) -> None:
        self.pipeline.table.end(name, STOPPED)

    def to_end(self) -> tuple[str, ...]:
        return ()

    def _count(self, code: int) -> None:
        self.code = self.code or code
        self.pipeline.write_if_possible()
