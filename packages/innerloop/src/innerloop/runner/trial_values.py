"""The values of a sweep's trials that are chosen when a trial starts, by the results before it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import field
from types import TracebackType

from ..model.jobs import sweep
from ..model.jobs.job import Job
from ..util.quick_dataclasses import dataclass
from .sampler.study import Asked, Study


@dataclass(slots=True)
class TrialValues:
    """Chooses the values of each trial, and hears its result. Use it as `with TrialValues.of(...)`.

    Without a study the trials have their values already.
    """

    job: Job
    study: Study | None
    _asked: dict[str, Asked] = field(default_factory=dict, init=False)
    _has_result: bool = field(default=False, init=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False)

    @staticmethod
    def of(job: Job, study_seed: int | None) -> TrialValues:
        """With the seed of a study, or None for trials that have their values."""
        if study_seed is None:
            return TrialValues(job, None)
        _, goal = sweep.objective(job) or ("", "maximize")
        return TrialValues(job, Study(sweep.dimensions(job), study_seed, goal))

    def __enter__(self) -> TrialValues:
        if self.study is not None:
            self._open.enter_context(self.study)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def begun(self, name: str) -> Mapping[str, str] | None:
        """The values of the trial that starts; None if it has them already."""
        if self.study is None:
            return None
        asked = self._asked[name] = self.study.ask()
        return sweep.values_at(self.job, asked.point.__getitem__)

    def ended(self, name: str, value: float | None) -> None:
        """The metric that the trial has ended with, not finite if it diverged; None for no result."""
        if self.study is not None:
            self._has_result = self._has_result or value is not None
            self.study.tell(self._asked[name], value)

    def note(self) -> str:
        """That there was nothing to learn from; "" if there was, or if nothing is learned."""
        if self.study is None or self._has_result or not self._asked:
            return ""
        return "no trial has a result: bayesian sampling drew all values at random"
