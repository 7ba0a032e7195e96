"""Tables: fewer columns in a narrow terminal rather than broken words; whole lines in a pipe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.util.tables import Table, lay_out

RUNS = Table(
    titles=("run", "seconds", "backend", "code", "loss"),
    rows=(("20260101-101500-1a2b", "9.0", "docker", "0123abcd+", "0.5"), ("x", "", "venv", "", "")),
    right=("seconds", "loss"),
    spare=("code", "backend", "seconds"),
)
LIST = Table(
    titles=("experiment", "gpu", "command"),
    rows=(("shop/churn", "auto", "python train.py\n  --steps ${{inputs.steps}}"),),
    spare=("gpu",),
    cuts=True,
)


def test_without_a_width_every_line_is_whole() -> None:
    assert lay_out(RUNS, None) == (
        [
            "run                   seconds  backend  code       loss",
            "20260101-101500-1a2b      9.0  docker   0123abcd+   0.5",
            "x                              venv",
        ],
        [],
    )
    lines, _ = lay_out(LIST, None)
    assert lines[1] == "shop/churn  auto  python train.py --steps ${{inputs.steps}}"


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (60, []),
        (50, ["code"]),
        (40, ["backend", "code"]),
        (30, ["seconds", "backend", "code"]),
        (5, ["seconds", "backend", "code"]),
    ],
)
def test_columns_are_left_out_in_their_order_and_named(width: int, left_out: list[str]) -> None:
    lines, found = lay_out(RUNS, width)
    assert found == left_out
    assert len(lines) == 3 and "20260101-101500-1a2b" in lines[1]
    assert all(len(line) <= max(width, 26) for line in lines)


def test_narrow_column_comes_back_where_a_wide_one_is_left_out() -> None:
    titles = ("run", "loss", "arguments", "rate", "code")
    table = Table(titles, [("x", "0.5", "-" * 60, "0.1", "0123abcd")], spare=titles[:1:-1])
    assert lay_out(table, 80)[1] == ["code"]
    assert lay_out(table, 30) == (
        ["run  loss  rate  code", "x    0.5   0.1   0123abcd"],
        ["arguments"],
    )
    assert lay_out(table, 20)[1] == ["arguments", "code"]


def test_a_last_column_is_cut_off_before_a_name_would_be() -> None:
    assert lay_out(LIST, 40)[0][1] == "shop/churn  auto  python train.py --ste…"
    assert lay_out(LIST, 30) == (["experiment  command", "shop/churn  python train.py -…"], ["gpu"])


@given(st.lists(st.tuples(*[st.text(max_size=20)] * 3), max_size=4), st.integers(1, 200))
def test_any_cells_give_a_line_a_row(rows: list[tuple[str, ...]], width: int) -> None:
    table = Table(("a", "b", "c"), rows, right=("b",), spare=("b", "a"), cuts=True)
    lines, left_out = lay_out(table, width)
    assert len(lines) == 1 + len(rows)
    assert left_out in ([], ["a"], ["b"], ["a", "b"])
    if not left_out:
        assert lay_out(table, 10_000)[1] == []
