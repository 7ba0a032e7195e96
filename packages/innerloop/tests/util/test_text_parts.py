"""Text of bytes that come in parts."""

from __future__ import annotations

import pytest

from innerloop.util.text_parts import TextParts


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_text_parts_of_any_size_give_the_whole_text(size: int) -> None:
    content = "größer → 数".encode()
    parts = TextParts()
    texts = [parts.text(content[at : at + size]) for at in range(0, len(content), size)]
    assert "".join(texts) == content.decode() and parts.rest() == ""


def test_text_parts_with_half_a_letter_at_the_end_say_so() -> None:
    parts = TextParts()
    assert parts.text("aé".encode()[:-1]) == "a"
    assert parts.rest() == "\ufffd"
