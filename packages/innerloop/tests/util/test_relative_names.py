"""Names of files that come from elsewhere."""

from __future__ import annotations

import pytest

from innerloop.util.errors import UserError
from innerloop.util.relative_names import parts_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a/b.csv", ["a", "b.csv"]), ("//a/./b", ["a", "b"]), ("é x/…", ["é x", "…"]), ("a/..b", ["a", "..b"])],
)  # fmt: skip
def test_a_plain_name_has_its_parts(name: str, parts: list[str]) -> None:
    assert parts_of(name, "https://example.com/data") == parts


@pytest.mark.parametrize(
    "name",
    ["", "/", ".", "..", "../a", "a/../../b", "a/..", "..\\a", "a\\..\\b", "C:/a", "C:a", "a\0b", "a\nb", "\ud800", "\x1b[2J"],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(UserError) as raised:
        parts_of(name, "https://example.com/data")
    assert raised.value.code == "remote-name-refused" and raised.value.message().isprintable()
