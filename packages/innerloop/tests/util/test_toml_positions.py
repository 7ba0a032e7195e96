"""Where keys stand in a TOML text, and tables that are put into comments."""

from __future__ import annotations

import sys

import pytest

from innerloop.util.position import Position
from innerloop.util.toml_positions import commented_out, position_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = '''a = 1
[b]
"c.d" = 2  # words
x . 'y z' = 3
text = """
[b]
c = 4
"""
inline = { k = 5 }
[b.e]
f = 6
[[g]]
h = 7
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["a"], 1), (["b"], 2), (["b", "c.d"], 3), (["b", "x", "y z"], 4), (["b", "text"], 5),
        (["b", "c"], 2), (["b", "inline", "k"], 9), (["b", "e", "f"], 11), (["g", "h"], 13),
        (["b", "x"], 2), (["b", "e", "nothing"], 10),
    ],
)  # fmt: skip
def test_the_line_of_a_key_or_of_the_nearest_around_it(keys: list[str], line: int) -> None:
    assert position_of(TEXT, "x.toml", *keys) == Position("x.toml", line)


def test_no_such_key() -> None:
    assert position_of(TEXT, "x.toml", "nope") == Position("x.toml")


@pytest.mark.parametrize("table", ["b", "g", "a"])
def test_a_table_in_comments_is_gone_and_the_rest_stays(table: str) -> None:
    text = commented_out(TEXT, table, "why")
    expected = {key: value for key, value in tomllib.loads(TEXT).items() if key != table}
    assert tomllib.loads(text) == expected
    assert text.count("# why\n") == 1
    assert commented_out(text, table, "again") == text
