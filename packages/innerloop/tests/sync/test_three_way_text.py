"""Files that are written whole: ours until a person's first edit, then theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerloop.sync import three_way_text
from innerloop.util.errors import UserError
from innerloop.util.json_values import ABSENT

OLD, NEW, MINE = "# ours\na: 1\n", "# ours\na: 2\n", "# ours\na: 7\n"


@pytest.mark.parametrize(
    ("found", "last", "wanted", "text", "remembered"),
    [
        (None, None, NEW, NEW, NEW),  # new
        (None, OLD, NEW, None, NEW),  # the person deleted it
        (OLD, OLD, NEW, NEW, NEW),  # as it was rendered
        (NEW, None, NEW, NEW, NEW),  # the memory was lost
        (NEW, OLD, NEW, NEW, NEW),  # a colleague's sync came by git
        (OLD, OLD, None, None, None),  # no longer wanted
        (MINE, OLD, OLD, MINE, OLD),  # the person's, nothing new
        (None, OLD, None, None, None),
    ],
)
def test_who_has_the_word(
    found: str | None,
    last: str | None,
    wanted: str | None,
    text: str | None,
    remembered: str | None,
) -> None:
    merged = three_way_text.merge(found, last, wanted)
    assert (merged.text, merged.last) == (text, remembered)
    assert not merged.clashes and not merged.kept
    again = three_way_text.merge(merged.text, merged.last, wanted)
    assert (again.text, again.last) == (merged.text, merged.last)


def test_an_edit_and_something_new_is_a_clash_and_keeps_the_persons() -> None:
    merged = three_way_text.merge(MINE, OLD, NEW)
    (clash,) = merged.clashes
    assert (merged.text, merged.last, clash.line, clash.path) == (MINE, OLD, 2, ".")
    assert "you changed this file" in clash.message
    assert three_way_text.take(MINE, OLD, NEW).text == NEW
    kept = three_way_text.keep(MINE, OLD, NEW)
    assert (kept.text, kept.last) == (MINE, NEW)
    assert not three_way_text.merge(MINE, kept.last, NEW).clashes
    with pytest.raises(UserError, match="no clash"):
        three_way_text.keep(MINE, NEW, NEW, "x.yml")


def test_a_file_that_was_there_before_us_is_the_persons() -> None:
    (clash,) = three_way_text.merge(MINE, None, NEW).clashes
    assert clash.last is ABSENT and "one is rendered at its place" in clash.message


def test_an_edited_file_that_is_no_longer_wanted_stays_and_is_named() -> None:
    merged = three_way_text.merge(MINE + "b: 3\n", OLD, None)
    (kept,) = merged.kept
    assert (merged.text, merged.last, kept.line) == (MINE + "b: 3\n", None, 2)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_endings_and_the_mark_stay(mark: str, end: str) -> None:
    found = mark + OLD.replace("\n", end)
    assert three_way_text.merge(found, OLD, NEW).text == mark + NEW.replace("\n", end)
    assert three_way_text.merge(found, OLD, OLD).text == found


TEXT = st.none() | st.text(alphabet="ab\n", max_size=4)


@given(TEXT, TEXT, TEXT)
def test_nothing_of_the_persons_is_lost_and_twice_is_once(
    found: str | None, last: str | None, wanted: str | None
) -> None:
    merged = three_way_text.merge(found, last, wanted)
    if found is not None and found not in (last, wanted):
        assert merged.text == found
    again = three_way_text.merge(merged.text, merged.last, wanted)
    assert (again.text, again.last) == (merged.text, merged.last)
