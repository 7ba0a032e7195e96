"""The trials of a sweep that its policy ends early, by what they report while they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from ..history.followed_metric import FollowedMetric
from ..model.jobs import early_termination, sweep
from ..model.jobs.early_termination import Policy, TrialReports
from ..model.jobs.job import Job
from ..model.jobs.sweep import Goal
from ..util.quick_dataclasses import dataclass


@dataclass(slots=True)
class _Followed:
    """A trial that has started. `checked`: the last of its reports that no more decides about it.

    The last one at which the policy applies decides again whenever others get so far.
    """

    metric: FollowedMetric
    checked: int = 0
    reason: str = ""
    is_finished: bool = False

    @property
    def reports(self) -> TrialReports:
        return TrialReports(self.metric.values, self.is_finished)


@dataclass(slots=True)
class EarlyStops:
    """Follows the trials of a sweep, and says which of them are to end."""

    policy: Policy
    metric: str
    goal: Goal
    _trials: dict[str, _Followed] = field(default_factory=dict, init=False)

    @staticmethod
    def of(job: Job, policy: Policy | None) -> EarlyStops | None:
        """None without a policy, and without a metric to compare trials by."""
        objective = sweep.objective(job)
        return None if policy is None or objective is None else EarlyStops(policy, *objective)

    def begun(self, name: str, folder: Path) -> None:
        self._trials[name] = _Followed(FollowedMetric(folder, self.metric))

    def ended(self, name: str) -> str:
        """Why the trial that has ended was to end; "" if it was not."""
        trial = self._trials[name]
        trial.metric.look(is_last=True)
        trial.is_finished = True
        return trial.reason

    def look(self) -> dict[str, str]:
        """The names of the trials that are to end from now on, each with the reason."""
        running = {name: one for name, one in self._trials.items() if not one.is_finished}
        for one in running.values():
            one.metric.look()
        ending = {}
        trials = [one.reports for one in self._trials.values()]
        for index, (name, one) in enumerate(self._trials.items()):
            if name in running and not one.reason:
                one.reason = self._reason(one, trials, index)
                if one.reason:
                    ending[name] = one.reason
        return ending

    def _reason(self, one: _Followed, trials: Sequence[TrialReports], index: int) -> str:
        """Why the policy ends a trial, at the first of its reports at which it does; "" if not."""
        due = self.policy.due(one.checked, len(one.metric.values))
        for interval in due:
            one.checked = interval - 1
            reason = early_termination.reason_to_end(
                self.policy, self.goal, trials, index, interval
            )
            if reason:
                return reason
        return ""

    def note(self) -> str:
        """That early termination could decide nothing, since no trial reported; else ""."""
        if not self._trials or any(one.metric.values for one in self._trials.values()):
            return ""
        return (
            f'early_termination saw no report of "{self.metric}": a trial writes it while it runs, '
            "as a line of outputs/metrics.jsonl or with MLflow"
        )
