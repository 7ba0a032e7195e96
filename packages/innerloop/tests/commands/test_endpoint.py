"""What `loop endpoint logs --follow` adds when Azure only hands out the last lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.commands.endpoint import added


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("", "a\nb\n", "a\nb\n"),
        ("a\nb\n", "a\nb\n", ""),
        ("a\nb\n", "a\nb\nc\n", "c\n"),
        ("a\nb\nc\n", "c\nd\n", "d\n"),
        ("a\nb\n", "x\ny\n", "x\ny\n"),  # more than one look holds came in between
        ("a\na\n", "a\na\na\n", "a\n"),
    ],
)
def test_only_what_is_new(before: str, after: str, new: str) -> None:
    assert added(before, after) == new


@given(st.lists(st.integers(), unique=True, max_size=30), st.integers(0, 30), st.integers(1, 30))
def test_no_line_is_lost_or_shown_twice(lines: list[int], grown: int, tail: int) -> None:
    """As long as not more lines come between two looks than one look holds."""
    texts = [f"{one}\n" for one in lines]
    first, all_of_it = texts[: len(texts) - min(grown, tail - 1)], texts
    shown = "".join(first[-tail:])
    new = added(shown, "".join(all_of_it[-tail:]))
    if first:
        assert "".join(first) + new == "".join(all_of_it)
