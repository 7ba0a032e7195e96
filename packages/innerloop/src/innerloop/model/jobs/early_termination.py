"""When a sweep ends a trial early: the rules of Azure ML's policies. Pure.

A trial reports the primary metric again and again while it runs: each report is one interval, and the
policy looks at every `evaluation_interval`-th of them from `delay_evaluation` on. Trials are compared at
the same interval: what an older one reported later does not count against a younger one, and one that
has not got so far is not compared.

Source: Azure Machine Learning, "Hyperparameter tuning a model (v2)", early termination; CLI (v2) sweep job
YAML schema; `TruncationSelectionPolicy` of its SDK, on how trials of different age are compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from ...util.errors import UserError, close_words, did_you_mean
from ...util.quick_dataclasses import dataclass
from .job import Job
from .sweep import Goal

Kind = Literal["bandit", "median_stopping", "truncation_selection"]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy and its parameters; those of other kinds are 0.

    `slack_factor` and `slack_amount`: how much worse than the best a trial may be, as a ratio and as
    a difference. `truncation_percentage` of the trials, the worst ones, end at each interval;
    `exclude_finished_jobs`: only trials that still run are counted for that.
    """

    kind: Kind
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    slack_factor: float = 0.0
    slack_amount: float = 0.0
    truncation_percentage: float = 0.0
    exclude_finished_jobs: bool = False

    def due(self, after: int, until: int) -> list[int]:
        """The intervals later than `after` and not later than `until` at which the policy applies."""
        return [
            interval
            for interval in range(max(after, 0) + 1, until + 1)
            if interval % self.evaluation_interval == 0 and interval >= self.delay_evaluation
        ]


@dataclass(frozen=True, slots=True)
class TrialReports:
    """What a trial has reported of the primary metric, in order. `is_finished`: it has ended."""

    values: Sequence[float]
    is_finished: bool = False


def policy_of(job: Job) -> Policy | None:
    """The policy of a sweep job; None without one. UserError for a kind that does not exist."""
    written = job.document.get("early_termination")
    if not isinstance(written, dict) or not written:
        return None
    kind = str(written.get("type") or "").lower()
    known: list[str] = list(get_args(Kind))
    if kind not in known:
        raise UserError(
            f"early_termination has the unknown type {kind or '(none)'}",
            code="value-not-allowed",
            where=job.where("early_termination", "type"),
            hint=did_you_mean(kind, known),
            meant=(
                job.text.where_value(*job.at, "early_termination", "type"),
                close_words(kind, known),
            ),
        )
    return Policy(
        cast(Kind, kind),
        evaluation_interval=max(int(_number(written.get("evaluation_interval"))), 1),
        delay_evaluation=max(int(_number(written.get("delay_evaluation"))), 0),
        slack_factor=max(_number(written.get("slack_factor")), 0.0),
        slack_amount=max(_number(written.get("slack_amount")), 0.0),
        truncation_percentage=min(max(_number(written.get("truncation_percentage")), 0.0), 100.0),
        exclude_finished_jobs=written.get("exclude_finished_jobs") is True,
    )


def _number(value: Any) -> float:
    """The number, also of a text as YAML reads 1e-1; 0 for everything else."""
    try:
        number = 0.0 if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and abs(number) < 1e15 else 0.0


def reason_to_end(
    policy: Policy, goal: Goal, trials: Sequence[TrialReports], index: int, interval: int
) -> str:
    """Why the policy ends the trial of this index at an interval that it has reached; "" if not.

    `trials` are all of the sweep in the order in which they started. A value that is not finite is
    worse than any number.
    """
    sign = 1.0 if goal == "maximize" else -1.0
    scores = {
        number: [sign * value if math.isfinite(value) else -math.inf for value in reports.values]
        for number, reports in enumerate(trials)
        if len(reports.values) >= interval
    }
    if index not in scores:
        return ""
    scores = {number: values[:interval] for number, values in scores.items()}
    own = max(scores[index])

    def shown(score: float) -> str:
        return f"{sign * score:.6g}" if math.isfinite(score) else "no finite number"

    reached = f"{policy.kind} at report {interval}: the best of it is {shown(own)}"
    if policy.kind == "bandit":
        best = max(map(max, scores.values()))
        allowed = _allowed(best, policy)
        if own < allowed:
            return f"{reached}, the best of all {shown(best)}, and {shown(allowed)} is allowed"
    elif policy.kind == "median_stopping":
        median = statistics.median(
            sum(value / interval for value in values) for values in scores.values()
        )
        if own < median:
            return f"{reached}, and the median of all averages {shown(median)}"
    else:
        counted = [
            number
            for number in scores
            if number == index or not (policy.exclude_finished_jobs and trials[number].is_finished)
        ]
        ends = math.floor(len(counted) * policy.truncation_percentage / 100)
        # Of equal ones the youngest ends first.
        worst = sorted(counted, key=lambda number: (max(scores[number]), -number))[:ends]
        if index in worst:
            return f"{reached}, which is among the worst {ends} of {len(counted)}"
    return ""


def _allowed(best: float, policy: Policy) -> float:
    """The worst score that a trial may have beside the best one; a larger score is better.

    With a factor that is best / (1 + factor) where a metric is maximized, and best * (1 + factor)
    where it is minimized: for a score below zero the same multiplication, so that it is always worse
    than the best.
    """
    if policy.slack_factor:
        factor = 1 + policy.slack_factor
        return best / factor if best >= 0 else best * factor
    return best - policy.slack_amount
