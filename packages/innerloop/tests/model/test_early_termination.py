"""The policies that end trials early: which trial, at which of its reports."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.jobs.early_termination import Policy, TrialReports, policy_of, reason_to_end
from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.sweep import Goal
from innerloop.util.errors import UserError

SWEEP = """type: sweep
trial: {command: echo, environment: {image: busybox}}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: minimize, primary_metric: loss}
early_termination: """
NAN, INF = math.nan, math.inf


def ended(policy: Policy, goal: Goal, at: int, *curves: Any) -> list[int]:
    """The indices of the trials that end at a report; a list is of a finished trial."""
    trials = [TrialReports(curve, isinstance(curve, list)) for curve in curves]
    return [index for index in range(len(trials)) if reason_to_end(policy, goal, trials, index, at)]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (
            "{type: Bandit, slack_factor: '1e-1', evaluation_interval: 2, delay_evaluation: 5}",
            Policy("bandit", 2, 5, slack_factor=0.1),
        ),
        ("{type: bandit, slack_amount: 0.2}", Policy("bandit", slack_amount=0.2)),
        ("{type: median_stopping, evaluation_interval: 0}", Policy("median_stopping")),
        (
            "{type: truncation_selection, truncation_percentage: 20, exclude_finished_jobs: true}",
            Policy("truncation_selection", truncation_percentage=20, exclude_finished_jobs=True),
        ),
        # Values that are none are as good as missing: `check` has named them.
        (
            "{type: bandit, slack_factor: -1, evaluation_interval: 1e400, delay_evaluation: [1]}",
            Policy("bandit"),
        ),
        ("{type: truncation_selection, truncation_percentage: 900}",
         Policy("truncation_selection", truncation_percentage=100)),
        ("{}", None),
        ("median_stopping", None),
    ],
)  # fmt: skip
def test_policy_of_a_job(text: str, policy: Policy | None) -> None:
    assert policy_of(parse_job(SWEEP + text + "\n", "job.yaml")) == policy


@pytest.mark.parametrize(
    ("text", "hint"),
    [("{type: bandits}", 'Did you mean "bandit"?'), ("{delay: 1}", "There are: bandit")],
)
def test_policy_of_unknown_type_is_an_error_with_its_line(text: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        policy_of(parse_job(SWEEP + text + "\n", "job.yaml"))
    assert caught.value.code == "value-not-allowed" and hint in caught.value.hint
    assert caught.value.where.startswith("job.yaml:5")


@pytest.mark.parametrize(
    ("interval", "delay", "after", "until", "due"),
    [
        (1, 0, 0, 3, [1, 2, 3]),
        (1, 5, 0, 6, [5, 6]),
        (2, 5, 0, 9, [6, 8]),
        (2, 5, 6, 9, [8]),
        (3, 3, 2, 3, [3]),
        (3, 0, 3, 3, []),
    ],
)
def test_policy_applies_at_multiples_from_the_delay_on(
    interval: int, delay: int, after: int, until: int, due: list[int]
) -> None:
    assert Policy("bandit", interval, delay).due(after, until) == due


@pytest.mark.parametrize(
    ("goal", "policy", "curves", "indices"),
    [
        # The example of the documentation: 0.8 is the best, 0.8 / 1.2 = 0.67 is allowed.
        ("maximize", Policy("bandit", slack_factor=0.2), [(0.8,), (0.67,), (0.66,)], [2]),
        ("maximize", Policy("bandit", slack_amount=0.2), [(0.8,), (0.61,), (0.59,)], [2]),
        ("minimize", Policy("bandit", slack_factor=0.2), [(1.0,), (1.2,), (1.21,)], [2]),
        ("minimize", Policy("bandit", slack_amount=0.2), [(1.0,), (1.19,), (1.21,)], [2]),
        # Below zero the allowed value is worse than the best as well.
        ("maximize", Policy("bandit", slack_factor=0.5), [(-1.0,), (-1.4,), (-1.6,)], [2]),
        ("minimize", Policy("bandit", slack_factor=0.5), [(-3.0,), (-2.1,), (-1.9,)], [2]),
        ("minimize", Policy("bandit", slack_factor=0.5), [(0.0,), (0.0,), (0.1,)], [2]),
        # Without slack all that are not the best end.
        ("minimize", Policy("bandit"), [(1.0,), (1.0,), (1.1,)], [2]),
        # Its best so far counts, not its last value.
        ("minimize", Policy("bandit", slack_amount=0.1), [(1.0, 1.0), (1.05, 9.0)], []),
        ("minimize", Policy("bandit", slack_amount=0.1), [(NAN,), (INF,), (-INF,)], []),
        ("minimize", Policy("bandit", slack_amount=0.1), [(1.0,), (NAN,), (-INF,)], [1, 2]),
    ],
)  # fmt: skip
def test_bandit_ends_what_is_further_from_the_best_than_the_slack(
    goal: Goal, policy: Policy, curves: list[Any], indices: list[int]
) -> None:
    assert ended(policy, goal, len(curves[0]), *curves) == indices


@pytest.mark.parametrize(
    ("goal", "curves", "indices"),
    [
        # Averages 1, 2 and 3: the best of the last, 2.5, is worse than the median, 2.
        ("minimize", [(1.0, 1.0), (2.0, 2.0), (3.5, 2.5)], [2]),
        ("minimize", [(1.0, 1.0), (2.0, 2.0), (4.1, 1.9)], []),
        ("maximize", [(1.0, 1.0), (2.0, 2.0), (2.5, 3.5)], [0]),
        ("minimize", [(1.0, 1.0), (3.0, 3.0)], [1]),
        ("minimize", [(3.0, 3.0)], []),
        ("minimize", [(1.0, 1.0), (1.0, 2.0), (NAN, NAN)], [2]),
        ("maximize", [(NAN, NAN), (NAN, NAN)], []),
    ],
)
def test_median_stopping_compares_the_best_with_the_median_of_averages(
    goal: Goal, curves: list[Any], indices: list[int]
) -> None:
    assert ended(Policy("median_stopping"), goal, 2, *curves) == indices


@pytest.mark.parametrize(
    ("percentage", "exclude", "curves", "indices"),
    [
        (20, False, [(1.0,), (2.0,), (5.0,), (3.0,), (4.0,)], [2]),
        (40, False, [(1.0,), (2.0,), (5.0,), (3.0,), (4.0,)], [2, 4]),
        (19, False, [(1.0,), (2.0,), (5.0,), (3.0,), (4.0,)], []),
        (50, False, [(1.0,), (1.0,), (1.0,), (1.0,)], [2, 3]),  # the youngest of equal ones
        (50, False, [[1.0], (2.0,)], [1]),
        (50, True, [[1.0], (2.0,)], []),
        (50, True, [[1.0], (2.0,), (3.0,)], [2]),
        (50, False, [(1.0,), (NAN,)], [1]),
        (99, False, [(1.0,)], []),
    ],
)
def test_truncation_selection_ends_the_worst_part(
    percentage: int, exclude: bool, curves: list[Any], indices: list[int]
) -> None:
    policy = Policy(
        "truncation_selection", truncation_percentage=percentage, exclude_finished_jobs=exclude
    )
    assert ended(policy, "minimize", 1, *curves) == indices


ALL = [
    Policy("bandit", slack_factor=0.3),
    Policy("bandit", slack_amount=0.3),
    Policy("median_stopping"),
    Policy("truncation_selection", truncation_percentage=60),
]


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.kind)
def test_trials_are_compared_at_the_same_report(policy: Policy) -> None:
    # What an older trial reported later, and a younger one's few reports, count for nothing.
    old, young = [9.0, 9.0, 0.1, 0.1], (8.0, 8.0)
    assert ended(policy, "minimize", 2, old, young) in ([], [0])
    assert ended(policy, "minimize", 3, old, young) == []
    assert ended(policy, "minimize", 3, old, (9.0, 9.0, 9.0)) == [1]


NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([NAN, INF, -INF])


@given(
    policy=st.sampled_from(ALL),
    curves=st.lists(st.lists(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=5),
    interval=st.integers(1, 4),
)
def test_best_trial_goes_on_and_a_mirrored_goal_decides_the_same(
    policy: Policy, curves: list[list[float]], interval: int
) -> None:
    indices = ended(policy, "minimize", interval, *curves)
    mirrored = [[-value for value in curve] for curve in curves]
    assert ended(policy, "maximize", interval, *mirrored) == indices
    there = [index for index, curve in enumerate(curves) if len(curve) >= interval]
    assert set(indices) <= set(there)
    score = {
        index: min((v for v in curves[index][:interval] if math.isfinite(v)), default=INF)
        for index in there
    }
    if there:
        best = min(there, key=lambda index: (score[index], index))
        assert best not in indices


def test_most_of_a_sweep_is_saved_and_its_best_trial_kept() -> None:
    """Curves that improve towards an end that differs, as of real trainings, in any order of starts."""
    reported = 0
    for seed in range(20):
        draw = random.Random(seed)
        ends = [draw.uniform(0.1, 1.0) for _ in range(20)]
        curves = [[end + 2.0 / step for step in range(1, 31)] for end in ends]
        for policy in (
            Policy("bandit", delay_evaluation=5, slack_factor=0.1),
            Policy("median_stopping", delay_evaluation=5),
        ):
            reports: list[TrialReports] = []
            for index, curve in enumerate(curves):  # one after another
                length = 30
                for interval in policy.due(0, 30):
                    running = [*reports, TrialReports(curve[:interval])]
                    if reason_to_end(policy, "minimize", running, index, interval):
                        length = interval
                        break
                reports.append(TrialReports(curve[:length], True))
            assert len(reports[ends.index(min(ends))].values) == 30
            reported += sum(len(one.values) for one in reports)
    assert reported < 0.8 * 2 * 20 * 20 * 30
