"""Text files: changes of both sides merge by lines, or yours stays and that is a conflict."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.sync import three_way_text
from innerloop.util.errors import UserError
from innerloop.util.json_values import ABSENT

OLD, NEW, MINE = "# ours\na: 1\n", "# ours\na: 2\n", "# ours\na: 7\n"


@pytest.mark.parametrize(
    ("yours", "base", "theirs", "text", "recorded"),
    [
        (None, None, NEW, NEW, NEW),  # new
        (None, OLD, NEW, None, NEW),  # the person deleted it
        (OLD, OLD, NEW, NEW, NEW),  # as it was generated
        (NEW, None, NEW, NEW, NEW),  # the record was lost
        (NEW, OLD, NEW, NEW, NEW),  # a colleague's sync came by git
        (OLD, OLD, None, None, None),  # no longer generated
        (MINE, OLD, OLD, MINE, OLD),  # the person's, nothing new
        (None, OLD, None, None, None),
    ],
)
def test_one_side_changed_takes_that_side(
    yours: str | None,
    base: str | None,
    theirs: str | None,
    text: str | None,
    recorded: str | None,
) -> None:
    merged = three_way_text.merge(yours, base, theirs)
    assert (merged.text, merged.base) == (text, recorded)
    assert not merged.conflicts and not merged.kept
    again = three_way_text.merge(merged.text, merged.base, theirs)
    assert (again.text, again.base) == (merged.text, merged.base)


def test_two_changes_of_a_line_conflict_and_keep_yours() -> None:
    merged = three_way_text.merge(MINE, OLD, NEW)
    (conflict,) = merged.conflicts
    assert (merged.text, merged.base, conflict.line, conflict.path) == (MINE, OLD, 2, ".")
    assert "in the same lines" in conflict.message
    assert three_way_text.take(MINE, OLD, NEW).text == NEW
    kept = three_way_text.keep(MINE, OLD, NEW)
    assert (kept.text, kept.base) == (MINE, NEW)
    assert not three_way_text.merge(MINE, kept.base, NEW).conflicts
    with pytest.raises(UserError, match="no conflict"):
        three_way_text.keep(MINE, NEW, NEW, "x.yml")


def test_take_undoes_an_edit_without_a_conflict() -> None:
    assert three_way_text.take(MINE, NEW, NEW).text == NEW
    for theirs in (MINE, None):
        with pytest.raises(UserError, match="no conflict"):
            three_way_text.take(MINE, NEW, theirs, "x.yml")


def test_file_without_base_is_a_conflict() -> None:
    (conflict,) = three_way_text.merge(MINE, None, NEW).conflicts
    assert conflict.base is ABSENT and "one is generated in its place" in conflict.message


def test_edited_file_that_is_no_longer_generated_stays_and_is_named() -> None:
    merged = three_way_text.merge(MINE + "b: 3\n", OLD, None)
    (kept,) = merged.kept
    assert (merged.text, merged.base, kept.line) == (MINE + "b: 3\n", None, 2)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_endings_and_byte_order_mark_stay(mark: str, end: str) -> None:
    yours = mark + OLD.replace("\n", end)
    assert three_way_text.merge(yours, OLD, NEW).text == mark + NEW.replace("\n", end)
    assert three_way_text.merge(yours, OLD, OLD).text == yours


LINES = "".join(f"line {number}\n" for number in range(10))


def edited(*edits: tuple[str, str]) -> str:
    text = LINES
    for old, new in edits:
        assert f"line {old}\n" in text
        text = text.replace(f"line {old}\n", new)
    return text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("mine", "generated"),
    [
        (("2", "mine\n"), ("7", "new\n")),
        (("2", ""), ("0", "new\nnew\n")),
        (("0", "mine\nline 0\n"), ("9", "")),
        (("9", "line 9\nmine\n"), ("7", "")),
        (("4", "same\n"), ("4", "same\n")),
    ],
)
def test_changes_of_different_lines_are_both_kept(
    mine: tuple[str, str], generated: tuple[str, str], end: str
) -> None:
    yours, theirs = edited(mine).replace("\n", end), edited(generated)
    merged = three_way_text.merge(yours, LINES, theirs)
    both = edited(mine) if mine == generated else edited(mine, generated)
    assert (merged.text, merged.conflicts) == (both.replace("\n", end), ())
    assert merged.base == theirs
    assert three_way_text.merge(merged.text, merged.base, theirs).text == merged.text


@pytest.mark.parametrize(
    ("mine", "generated", "line"),
    [
        (("4", "mine\n"), ("4", "new\n"), 5),
        (("4", "mine\n"), ("5", "new\n"), 5),  # side by side: they may belong together
        (("4", "line 4\nmine\n"), ("4", "line 4\nnew\n"), 6),
        (("4", ""), ("4", "new\n"), 5),
    ],
)
def test_changes_that_meet_are_a_conflict(
    mine: tuple[str, str], generated: tuple[str, str], line: int
) -> None:
    yours, theirs = edited(mine), edited(generated)
    merged = three_way_text.merge(yours, LINES, theirs)
    (conflict,) = merged.conflicts
    assert (merged.text, merged.base, conflict.line) == (yours, LINES, line)


TEXT = st.none() | st.text(alphabet="ab\n", max_size=8)


@given(TEXT, TEXT, TEXT)
def test_no_line_of_yours_is_lost_and_twice_is_once(
    yours: str | None, base: str | None, theirs: str | None
) -> None:
    merged = three_way_text.merge(yours, base, theirs)
    if yours is not None and yours not in (base, theirs):
        added = Counter(yours.splitlines()) - Counter((base or "").splitlines())
        assert added <= Counter((merged.text or "").splitlines())
    again = three_way_text.merge(merged.text, merged.base, theirs)
    assert (again.text, again.base) == (merged.text, merged.base)
    assert len(again.conflicts) == len(merged.conflicts)
