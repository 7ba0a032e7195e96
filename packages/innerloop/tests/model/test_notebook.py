"""A notebook's parameters, papermill's convention; no notebook runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from innerloop.model.notebook import names_set, parameters, values_of, with_parameters
from innerloop.util.errors import UsageError, UserError


def cell(source: str | list[str], *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source, "outputs": []}


def notebook(*cells: dict[str, Any], minor: int = 5) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells})


DEFAULTS = cell(["rate = 0.1  # why\n", "name: str = 'a'\n", "print(rate)"], "parameters")


def test_a_cell_below_the_defaults_sets_the_values() -> None:
    text = notebook(cell("import x"), DEFAULTS, cell("old = 1", "injected-parameters"), cell("y"))
    made = json.loads(with_parameters(text, {"rate": 0.5, "name": "b'c\n"}, "n.ipynb"))
    sources = [one["source"] for one in made["cells"]]
    assert sources == ["import x", DEFAULTS["source"], 'rate = 0.5\nname = "b\'c\\n"', "y"]
    assert made["cells"][2]["id"] and made["cells"][2]["metadata"]["tags"] == [
        "injected-parameters"
    ]
    older = json.loads(with_parameters(notebook(DEFAULTS, minor=4), {"rate": 1}, "n.ipynb"))
    assert "id" not in older["cells"][1]


def test_without_values_the_text_is_the_persons() -> None:
    text = notebook(DEFAULTS)
    assert with_parameters(text, {}, "n.ipynb") == text


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        (notebook(cell("x = 1")), {"x": 2}, 'no cell is tagged "parameters"'),
        (notebook(DEFAULTS), {"rat": 2}, 'Did you mean "rate"'),
        ("not json", {}, "not a notebook"),
        ("[]", {}, "it has no cells"),
        ('{"cells": 1}', {}, "it has no cells"),
    ],
)
def test_what_cannot_be_set_is_said(text: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        with_parameters(text, values, "notebooks/n.ipynb")
    assert message in error.value.message() and "notebooks/n.ipynb" in error.value.message()


def test_values_are_literals_or_text() -> None:
    words = ["a=1", "b=1e-3", "c=true", "d=x y", "e=", "f=[1, 2]", "g=a=b", "h={", "i=2026-01-01"]
    assert values_of(words) == {
        "a": 1,
        "b": 0.001,
        "c": True,
        "d": "x y",
        "e": "",
        "f": [1, 2],
        "g": "a=b",
        "h": "{",
        "i": "2026-01-01",
    }
    for wrong in ("a", "=1", "a b=1", "inputs.a=1"):
        with pytest.raises(UsageError):
            values_of([wrong])


def test_the_names_that_a_cell_sets() -> None:
    assert names_set("a = b = 1\nc: int = 2\nd.e = 3\nif x:\n    f = 1\n") == ["a", "b", "c"]
    assert names_set("not python(") == []
    assert parameters(notebook(DEFAULTS), "n") == ["rate", "name"]
