"""Versions in the order of PEP 440."""

from __future__ import annotations

from itertools import combinations

import pytest

from innerloop import __version__
from innerloop.util.versions import is_newer, newest, parse

# Each is newer than the one before it.
ASCENDING = (
    "0.0.dev1", "0.1.dev0", "0.1a1.dev3", "0.1a1", "0.1a2", "0.1a10", "0.1b1", "0.1rc1.dev4",
    "0.1rc1", "0.1rc1.post2", "0.1", "0.1+a", "0.1+b.1", "0.1+b.1.0", "0.1+1", "0.1+2", "0.1+10",
    "0.1.post1.dev2", "0.1.post1", "0.1.1", "0.2.0", "0.2.0.1", "0.10", "1.0rc1", "1.0", "2026.11",
    "1!0.1",
)  # fmt: skip


@pytest.mark.parametrize(("older", "newer"), [*combinations(ASCENDING, 2)])
def test_is_newer_follows_the_order_of_pep_440(older: str, newer: str) -> None:
    assert is_newer(newer, older)
    assert not is_newer(older, newer)
    assert newest(older, newer) == newest(newer, older) == newer


@pytest.mark.parametrize("pair", [("1", "1.0"), ("1.0", "1.0.0"), ("0!1", "1"), ("0", "0.0")])
def test_is_newer_equal_versions_are_not_newer(pair: tuple[str, str]) -> None:
    assert not is_newer(*pair) and not is_newer(*reversed(pair))
    assert newest(*pair) == pair[0]


@pytest.mark.parametrize(
    "text",
    ["", "a", "1.", ".1", "1..2", "v1", "1.0-1", "1.0.0 ", "1.0\n", "1.0.dev", "1.0alpha1", "1_0",
     "1.0+", "1.0+A", "٣.1", "1" * 19, "1" + ".1" * 40, "9" * 5000, "1.0+" + "a" * 100, "latest",
     "../1.0", "1.0\x1b[31m"],
)  # fmt: skip
def test_parse_other_text_is_none_and_older_than_every_version(text: str) -> None:
    assert parse(text) is None
    assert is_newer("0.dev0", text) and not is_newer(text, "0.dev0")
    assert newest(text) == ""


def test_parse_own_version_is_one() -> None:
    assert str(parse(__version__)) == __version__
