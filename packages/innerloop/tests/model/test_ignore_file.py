"""The lines of an ignore file are those that Azure ML's client reads."""

from __future__ import annotations

import pytest

from innerloop.model import ignore_file


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("\ufeff*.py\n", [("*.py", 1)]),
        ("a\r\nb\rc\n", [("a", 1), ("b", 2), ("c", 3)]),
        ("a\x0cb\nc", [("a\x0cb", 1), ("c", 2)]),
        ("a\u2028b\x85c\x1cd\n", [("a\u2028b\x85c\x1cd", 1)]),
    ],
)
def test_lines_end_as_in_a_text_file(text: str, rules: list[tuple[str, int]]) -> None:
    parsed = ignore_file.parse(text, ".amlignore").rules
    assert [(rule.text, rule.line) for rule in parsed] == rules
