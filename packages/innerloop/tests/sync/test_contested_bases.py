"""The base of a file of which two branches recorded different generated values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from innerloop.sync.contested_bases import base_of
from innerloop.sync.merge_rules import EDITOR_FILES
from innerloop.sync.state_file import State, dump, load

TASKS, SETTINGS, TEXT = ".vscode/tasks.json", ".vscode/settings.json", ".github/workflows/ci.yml"


def united(*values: dict[str, Any]) -> State:
    """The record after git merged the branches' records by `merge=union`."""
    rows: list[str] = []
    for value in values:
        first, *own, last = dump(State(value), EDITOR_FILES).splitlines()
        rows += [row for row in own if row not in rows]
    return load("\n".join([first, *rows, last]))


def test_base_beyond_doubt_is_what_is_recorded() -> None:
    state = united({SETTINGS: {"a": 1}})
    assert base_of(state, SETTINGS, '{"a": 2}') == {"a": 1}
    assert base_of(state, TASKS, "{}") is None


@pytest.mark.parametrize(
    ("yours", "base"),
    [
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}),
        ({"a": 2, "b": 1}, {"a": 2, "b": 1}),
        # Each key by itself: a merge took one from here and one from there.
        ({"a": 1, "c": 3}, {"a": 1, "c": 3}),
        # An own value: the base of that key is not known.
        ({"a": 9, "b": 1}, {"b": 1}),
        # Removed by the person, whichever it was.
        ({"b": 1}, {"a": 1, "b": 1}),
        # What only one branch generated and is not there may come from a side that was not taken.
        ({"a": 1}, {"a": 1}),
    ],
)
def test_each_key_has_the_value_that_yours_is_equal_to(yours: Any, base: Any) -> None:
    one, two = {"a": 1, "b": 1}, {"a": 2, "c": 3}
    for state in (
        united({SETTINGS: one}, {SETTINGS: two}),
        united({SETTINGS: two}, {SETTINGS: one}),
    ):
        found = base_of(state, SETTINGS, json.dumps(yours | {"mine": 1}))
        assert found == base or (yours == {"b": 1} and found == base | {"a": 2})


def test_members_of_named_lists_are_chosen_one_by_one() -> None:
    def tasks(*details: str) -> Any:
        named = [{"label": str(n), "detail": text} for n, text in enumerate(details)]
        return {TASKS: {"version": "2.0.0", "tasks": named}}

    state = united(tasks("a", "b", "c"), tasks("x", "y", "z"))
    yours = tasks("a", "y", "mine")[TASKS]
    base: Any = base_of(state, TASKS, json.dumps(yours))
    first, second, third = base["tasks"]
    assert (first["detail"], second["detail"]) == ("a", "y")
    assert "detail" not in third
    # The record itself is as it was: asking twice gives the same.
    assert base_of(state, TASKS, json.dumps(yours)) == base


def test_base_of_a_text_is_the_one_that_was_changed_least() -> None:
    one, two = ("".join(f"line {n} {v}\n" for n in range(9)) for v in ("one", "two"))
    state = united({TEXT: one}, {TEXT: two})
    for text in (one, two):
        assert base_of(state, TEXT, text) == text
        assert base_of(state, TEXT, text.replace("\n", "\r\n") + "# mine\r\n") == text
    assert base_of(state, TEXT, None) in (one, two)


def test_base_that_one_branch_did_not_know_is_not_known() -> None:
    unknown = dump(State(unknown=frozenset({SETTINGS})), EDITOR_FILES).splitlines()
    known = dump(State({SETTINGS: {"a": 1}}), EDITOR_FILES).splitlines()
    state = load("\n".join([*known[:-1], *unknown[1:]]))
    assert base_of(state, SETTINGS, '{"a": 1}') is None


@pytest.mark.parametrize("yours", ["", "{", "[]", "null", "<<<<<<< HEAD\n"])
def test_file_that_is_no_object_has_no_own_values(yours: str) -> None:
    state = united({SETTINGS: {"a": 1}}, {SETTINGS: {"a": 2}})
    assert base_of(state, SETTINGS, yours) in (None, {"a": 1}, {"a": 2})
