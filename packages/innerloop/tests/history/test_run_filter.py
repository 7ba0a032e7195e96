"""The expression of --where: what it selects, and where it is wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.history import run_filter
from innerloop.history.past_runs import PastRun
from innerloop.history.run_notes import RunNotes
from innerloop.util.errors import UsageError


def past(name: str, scores: dict[str, float], tags: tuple[str, ...] = (), **more: Any) -> PastRun:
    record = {"experiment": "line", "exit_code": 0, "started": "2026-01-31T10:00:00+00:00", **more}
    said = RunNotes(tags, note="a note" if tags else "")
    return PastRun("line", name, f"outputs/line/{name}", record, scores, said=said)


RUNS = [
    past(
        "a", {"acc": 0.9, "train/loss": 0.1, "state": 1.0}, ("best", "v1"), inputs={"rate": "0.1"}
    ),
    past("b", {"acc": math.nan, "train/loss": math.inf}, inputs={"rate": "10", "name": "x y"}),
    past("c", {"acc": 0.5}, ("old",), exit_code=3, seconds=12.5),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("acc > 0.6", "a"),
        ("acc>=0.5", "ac"),
        ("not acc > 0.6", "bc"),
        ("acc = nan", "b"),
        ("acc != nan", "ac"),
        ("acc < nan or acc > nan or acc <= nan", ""),
        ("acc == 0.50", "c"),
        ("'train/loss' = inf", "b"),
        ("train/loss < 1", "a"),
        ("rate > 9", "b"),
        ("rate = 0.10", "a"),
        ('name = "x y"', "b"),
        ("name ~ X", "b"),
        ("state = failed", "c"),
        ('state = "failed (3)"', "c"),
        ("state != done", "c"),
        ("scores.state = 1", "a"),
        ("inputs.rate", "ab"),
        ("seconds", "c"),
        ("seconds > 1e1 and acc <= .5", "c"),
        ("tag = best", "a"),
        ("tag = v1 and tag = best", "a"),
        ("tag != best", "c"),
        ("not tag = best", "bc"),
        ("note ~ note AND NOT tag = old", "a"),
        ("started >= 2026-01-31 and started < 2026-02", "abc"),
        ("(acc > 0.6 or acc = nan) and rate", "ab"),
        ("acc > 0.6 or acc = nan and name", "ab"),
        ("not (acc > 0.6 or acc = nan)", "c"),
    ],
)
def test_where_selects_runs(text: str, names: str) -> None:
    assert "".join(run.id for run in run_filter.parse(text).select(RUNS)) == names


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("acc >", 6),
        ("acc > > 1", 7),
        ("> 1", 1),
        ("acc > 1 rate", 9),
        ("(acc > 1", 9),
        ("acc > 1)", 8),
        ('acc = "x', 7),
        ("acc = 1 and", 12),
        ("and acc", 1),
        ("acc ! 1", 5),
        ("(" * 60 + "acc" + ")" * 60, 52),
        ("not " * 60 + "acc", 205),
        ("acd > 1", 1),
        ("acc > 1 or inputs.rat = 1", 12),
    ],
)
def test_where_that_is_wrong_is_an_error_with_its_place(text: str, column: int) -> None:
    with pytest.raises(UsageError) as caught:
        run_filter.parse(text).select(RUNS)
    assert caught.value.code == "filter-invalid"
    assert caught.value.position is not None and caught.value.position.column == column


@given(st.text(alphabet="ac()<>=!~\"' \\andortb.1\n", max_size=40))
def test_where_of_any_text_selects_or_is_an_error(text: str) -> None:
    try:
        assert set(run_filter.parse(text).select(RUNS)) <= set(RUNS)
    except UsageError as error:
        assert error.position is not None and 1 <= error.position.column <= len(text) + 1


@pytest.mark.parametrize(
    ("name", "falling", "names"),
    [
        ("acc", False, "cab"),
        ("acc", True, "acb"),
        ("rate", True, "bac"),
        ("train/loss", False, "abc"),
        ("tag", False, "acb"),
        ("run", True, "cba"),
    ],
)
def test_sort_has_nan_and_what_is_missing_last(name: str, falling: bool, names: str) -> None:
    found = run_filter.sort(RUNS, name, falling=falling)
    assert "".join(run.id for run in found) == names


def test_sort_by_a_column_of_no_run_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        run_filter.require_column("acd", RUNS, "--sort")
    assert (caught.value.code, "acc" in caught.value.hint) == ("unknown-name", True)
