"""Values that are no finite number, in the forms in which programs write them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.history import json_metrics, metric_values, metrics, past_runs
from innerloop.history.past_runs import PastRun
from innerloop.history.run_metrics import series_of
from innerloop.util import json_records

NAN, INF = math.nan, math.inf


def shown(value: float | None) -> str:
    """A text that is equal for equal values, NaN among them."""
    return "none" if value is None else metric_values.short(value, 17)


def past(run_id: str = "r", **more: Any) -> PastRun:
    series = series_of(more.pop("curves", {}))
    record = {"experiment": "line"}
    return PastRun("line", run_id, f"outputs/line/{run_id}", record, series=series, **more)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (1, 1.0),
        (-0.5, -0.5),
        (2**53 + 2, float(2**53 + 2)),
        (10**400, INF),
        (-(10**400), -INF),
        (1.7976931348623157e308, INF),
        (NAN, NAN),
        ("NaN", NAN),
        (" nan ", NAN),
        ("Infinity", INF),
        ("-inf", -INF),
        ("+Infinity", INF),
        ("0.5", None),
        ("nano", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_value_of_what_a_program_wrote(written: object, value: float | None) -> None:
    assert shown(metric_values.value_of(written)) == shown(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"loss": nan}', NAN),
        ('{"loss": -nan, "s": "nan"}', NAN),
        ('{"loss": inf}', INF),
        ('{"loss": -Inf}', -INF),
        ('{"loss": NaN}', NAN),
        ('{"loss": -Infinity}', -INF),
        ('{"loss": 1e400}', INF),
        ('{"loss": ' + "9" * 5000 + "}", INF),
        ('{"loss": "inf"}', INF),
        ('{"loss": nano}', None),
        ('{"loss": true}', None),
        ('{"loss": null}', None),
        ('{"note\\": nan": 1, "loss": 2', None),
    ],
)
def test_metrics_of_json_with_words_for_no_number(text: str, value: float | None) -> None:
    assert shown(json_metrics.read(text, None).scores.get("loss")) == shown(value)
    assert shown(json_metrics.read(None, text).scores.get("loss")) == shown(value)


def test_lenient_json_keeps_words_within_strings() -> None:
    assert json_records.lenient('{"a": "nan, \\"inf\\"", "b": inf}') == {
        "a": 'nan, "inf"',
        "b": INF,
    }


@given(st.text(alphabet='"\\ninaf ,:{}[]1-', max_size=60))
def test_lenient_json_of_any_text_is_no_traceback(text: str) -> None:
    json_records.lenient(text)


@pytest.mark.parametrize(
    ("values", "last"),
    [
        ((1, 2.5, NAN, INF), NAN),
        ((1, NAN, 2.5), 2.5),
        ((1, INF), INF),
        ((1, INF, -INF), -INF),
        ((NAN,), NAN),
        ((NAN, 1, INF), INF),
    ],
)
def test_last_value_of_a_curve(values: tuple[float, ...], last: float) -> None:
    assert shown(metric_values.last_of(values)) == shown(last)
    lines = "\n".join(json.dumps({"loss": value}) for value in values)
    found = json_metrics.read(None, lines)
    assert shown(found.scores["loss"]) == shown(last)
    assert len(found.curves["loss"]) == len(values)


@pytest.mark.parametrize(
    ("entries", "last"),
    [
        # A writer that has no NaN.
        ([{"loss": 1}, {"loss": 2.5}, {"loss": None}, {"loss": None}], NAN),
        ([{"loss": 1}, {"loss": None}], NAN),
        # A metric that is measured in some entries only.
        ([{"loss": 1}, {"other": 1}], 1.0),
        ([{"loss": None}, {"loss": 1}, {"loss": None}], 1.0),
        ([{"loss": 1}, {"loss": None}, {"loss": 2}, {"loss": None}], 2.0),
        ([{"epoch": 1, "loss": 1}, {"epoch": 1, "loss": None}], 1.0),
        ([{"loss": None}, {"loss": None}], None),
    ],
)
def test_null_at_the_end_of_a_curve(entries: list[dict[str, Any]], last: float | None) -> None:
    text = "\n".join(map(json.dumps, entries))
    assert shown(json_metrics.read(None, text).scores.get("loss")) == shown(last)
    assert shown(
        json_metrics.read(json.dumps({"epochs": entries}), None).scores.get("loss")
    ) == shown(last)


def test_null_in_the_summary_of_a_curve_is_no_earlier_value() -> None:
    scores = json_metrics.read('{"loss": null, "seed": null}', '{"loss": 2.5}\n').scores
    assert {name: shown(value) for name, value in scores.items()} == {"loss": "nan"}


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("1 2.5 0\n2 nan 1\n", NAN),
        ("1 2.5 0\n2 nan 1\n3 inf 2\n", NAN),
        ("1 2.5 0\n2 1.7976931348623157e+308 1\n", INF),
        ("1 nan 0\n2 2.5 1\n", 2.5),
    ],
)
def test_last_value_that_mlflow_has(tmp_path: Path, lines: str, value: float) -> None:
    file = tmp_path / "mlruns/0/ab/metrics/loss"
    file.parent.mkdir(parents=True)
    file.write_text(lines)
    assert shown(metrics.find(tmp_path, "loss")) == shown(value)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"loss": NAN, "test_accuracy": 0.1}, "loss nan"),
        ({"accuracy": 0.5, "train_loss": INF}, "train_loss inf"),
        ({"accuracy": NAN}, "accuracy nan"),
        ({"support": -INF}, "support -inf"),
        ({"accuracy": 0.5, "precision_of_class_7": NAN}, ""),
        ({"loss": 1.0}, ""),
        ({}, ""),
    ],
)
def test_divergence_is_of_a_loss_or_the_first_score(scores: dict[str, float], reason: str) -> None:
    assert past_runs.divergence(past(scores=scores)) == reason


@pytest.mark.parametrize(
    ("summary", "last", "score"),
    [("0.5", "NaN", NAN), ("0.5", "Infinity", INF), ("0.5", "2", 0.5), ("NaN", "2", NAN)],
)
def test_summary_of_a_curve_that_diverged_is_not_shown(
    summary: str, last: str, score: float
) -> None:
    lines = f'{{"loss": 1}}\n{{"loss": {last}}}\n'
    found = json_metrics.read(f'{{"loss": {summary}}}', lines)
    assert shown(found.scores["loss"]) == shown(score)
