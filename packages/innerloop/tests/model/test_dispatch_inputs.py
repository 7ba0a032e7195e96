"""A job's inputs as a form, and what was filled in as overrides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import override
from innerloop.model.settings.cron_expression import parse
from innerloop.model.settings.dispatch_inputs import Field, fields, sets_of
from innerloop.model.settings.schedules import Schedule
from innerloop.util.errors import UsageError

JOB = parse_job(
    """command: x
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1"}
  epochs: 8
  rate: 0.5
  fast: true
  note: "yes"
""",
    "job.yaml",
)


def filled(given: Any, allowed: dict[str, tuple[Any, ...]] | None = None) -> dict[str, Any]:
    changed = override(JOB, list(sets_of(json.dumps(given), JOB, allowed or {})))
    return {
        n: one.value if one.kind == "literal" else one.path for n, one in changed.inputs.items()
    }


def test_the_fields() -> None:
    schedule = Schedule(parse("0 3 * * 1"), allowed={"epochs": (8, 16)})
    assert fields(JOB, schedule) == (
        Field("data", "string", "azureml:mnist:1"), Field("epochs", "number", 8, (8, 16)),
        Field("rate", "number", 0.5), Field("fast", "boolean", True), Field("note", "string", "yes"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"epochs": "16"}, "epochs", 16), ({"epochs": 16}, "epochs", 16), ({"epochs": 1e3}, "epochs", 1000.0),
        ({"rate": "1e-5"}, "rate", 1e-5), ({"fast": "False"}, "fast", False), ({"fast": False}, "fast", False),
        ({"note": "no"}, "note", "no"), ({"note": "1e3"}, "note", "1e3"), ({"note": 5}, "note", "5"),
        ({"note": "inputs.x=1"}, "note", "inputs.x=1"), ({"data": "azureml:mnist:2"}, "data", "azureml:mnist:2"),
        ({"epochs": ""}, "epochs", 8), ({"epochs": None}, "epochs", 8), (None, "epochs", 8), ({}, "fast", True),
    ],
)  # fmt: skip
def test_what_was_filled_in(given: Any, name: str, value: Any) -> None:
    found = filled(given)[name]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--inputs is not JSON"),
        ("[1]", "--inputs is not a JSON object"),
        ('{"epoch": 1}', 'the job has no input "epoch". Did you mean "epochs"'),
        ('{"epochs": "many"}', "epochs = many is not a number. Its value is 8"),
        ('{"epochs": true}', "epochs = True is not a number"),
        ('{"epochs": "inf"}', "epochs = inf is not a number"),
        ('{"rate": "1e999"}', "rate = 1e999 is not a number"),
        ('{"fast": "maybe"}', "fast = maybe is not a boolean"),
        ('{"fast": 1}', "fast = 1 is not a boolean"),
        ('{"note": [1]}', "note is not a single value"),
        ('{"epochs": "9"}', "epochs = 9 is not allowed. Write one of 8, 16"),
    ],
)
def test_what_cannot_be(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        list(sets_of(text, JOB, {"epochs": (8, 16)}))


def test_nothing_at_all_is_nothing() -> None:
    assert list(sets_of("", JOB, {})) == list(sets_of("null", JOB, {})) == []
