"""The rows of a sweep in the comparison of backends."""

from __future__ import annotations

import pytest

from innerloop.model.jobs.job import parse_job
from innerloop.parity import sweep_rows
from innerloop.parity.facts import EARLY_TERMINATION, SAMPLING, Parity, ParityColumn


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("bayesian", ["bayesian", "bayesian (Optuna)", "random"]),
        ("{type: random, rule: sobol}", ["sobol", "sobol", "random"]),
        ("grid", ["grid", "grid", "grid"]),
    ],
)
def test_sweep_is_compared_by_its_sampling_and_early_termination(
    sampling: str, expected: list[str]
) -> None:
    text = (
        "type: sweep\ntrial: {command: echo, environment: {image: busybox}}\n"
        "search_space: {x: {type: choice, values: [1]}}\n"
        f"early_termination: {{type: bandit}}\nsampling_algorithm: {sampling}\n"
    )
    columns = [ParityColumn(name) for name in ("cloud", "here", "cluster", "F5")]
    columns.append(ParityColumn("here too", absent="no engine"))
    found = sweep_rows.with_sweep(
        parse_job(text, "job.yaml"),
        columns,
        reference="cloud",
        local=("here", "here too"),
        drawn_before=("cluster",),
    )
    assert [column.facts[SAMPLING].value for column in found[:3]] == expected
    kinds = [column.facts[EARLY_TERMINATION].value for column in found[:3]]
    assert kinds == ["bandit", "bandit", "none"]
    assert list(found[3:]) == columns[3:]
    assert not Parity("tiny", "cloud", found[:3]).unexplained
