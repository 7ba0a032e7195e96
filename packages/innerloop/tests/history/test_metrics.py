"""What a trial reports, in the forms in which programs write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.history.metrics import find

CASES = [
    ({"metrics.json": '{"accuracy": 0.9}'}, "accuracy", 0.9),
    ({"metrics.json": '{"test": {"accuracy": 0.8}}'}, "test/accuracy", 0.8),
    ({"metrics.json": '{"epochs": [{"loss": 2}, {"loss": 1}]}'}, "loss", 1.0),
    ({"metrics.jsonl": '{"loss": 3}\n{"loss": 2}\n{"lo'}, "loss", 2.0),
    ({"deep/other.json": '{"loss": 4}', "a.json": '{"x": 1}'}, "loss", 4.0),
    ({"metrics.json": '{"loss": 1}', "a.json": '{"loss": 9}'}, "loss", 1.0),
    ({"mlruns/0/ab/metrics/loss": "100 3.5 0\n200 2.5 1\n"}, "loss", 2.5),
    ({"mlruns/0/ab/metrics/val/loss": "100 1.5 0\n"}, "val/loss", 1.5),
    ({"mlruns/0/ab/metrics/loss": "100 7 0\n", "metrics.json": '{"loss": 1}'}, "loss", 7.0),
    ({"metrics.json": "no JSON", "x.json": "[1]"}, "loss", None),
    ({".run/run.json": '{"seconds": 3}'}, "seconds", None),
    ({}, "loss", None),
]


@pytest.mark.parametrize(("written", "name", "value"), CASES)
def test_a_metric_is_found(
    tmp_path: Path, written: dict[str, str], name: str, value: float | None
) -> None:
    for path, text in written.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    assert find(tmp_path, name) == value
