"""The tool's block in a person's ignore file: put in, changed, and taken out again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.scaffold import marked_block

LINES = "/outputs/\n# a comment\n.env\n"
NEWER = "/outputs/\n/logs/\n"
TEXTS = {
    "nothing": "",
    "a line": "*.log\n",
    "no line end at the end": "*.log\n!keep.log",
    "windows": "*.log\r\n!keep.log\r\n",
    "mixed": "*.log\r\nkeep\nb\r\n",
    "a mark of byte order": "\ufeff*.log\n",
    "a blank line first": "\n*.log\n",
    "windows with a blank line first": "\r\n*.log\r\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_block_put_in_and_taken_out_leaves_the_text_as_it_was(text: str) -> None:
    with_block = marked_block.with_lines(text, LINES)
    assert marked_block.split(with_block).lines == LINES
    assert marked_block.without(with_block, LINES) == text


@given(st.text(alphabet="a#*\n\r \ufeff", max_size=30))
def test_block_in_any_text_changes_nothing_around_it(text: str) -> None:
    with_block = marked_block.with_lines(text, LINES)
    assert marked_block.split(with_block).lines == LINES
    assert marked_block.with_lines(with_block, LINES) == with_block
    assert marked_block.without(with_block, LINES) == text


def test_block_with_newer_lines_keeps_what_is_around_it() -> None:
    text = "# above\n" + marked_block.with_lines("*.log\n", LINES)
    newer = marked_block.with_lines(text, NEWER)
    assert marked_block.split(newer) == ("# above\n", NEWER, "\n*.log\n")


def test_block_taken_out_leaves_lines_that_a_person_added_inside() -> None:
    text = marked_block.with_lines("*.log\n", LINES).replace(".env\n", ".env\nmine/\n")
    assert marked_block.without(text, LINES) == "mine/\n\n*.log\n"


def test_block_of_a_later_version_with_other_words_is_found() -> None:
    text = "# >>> innerloop (version 9)\na\n# <<< innerloop: the end\nmine\n"
    assert marked_block.split(text) == ("", "a\n", "mine\n")


def test_text_without_both_marks_has_no_block() -> None:
    for text in (
        "# >>> innerloop\na\n",
        "a\n# <<< innerloop\n",
        "x # >>> innerloop\n# <<< innerloop",
    ):
        assert marked_block.split(text).lines is None
        assert marked_block.without(text, "a\n") == text
