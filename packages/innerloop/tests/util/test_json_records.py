"""Records that are read key by key, each with its type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from innerloop.util import json_records
from innerloop.util.json_records import RecordError, is_file_name, read_file, read_object

TEXT = """\
{
  "name": "a",
  "count": 3,
  "inner": {
    "items": [1, "b"]
  },
  "empty": null
}
"""


def test_values_are_returned_with_their_types() -> None:
    record = read_object(TEXT)
    assert record.as_str("name") == "a"
    assert record.as_int("count") == 3
    assert record.as_number("count") == 3
    assert record.as_record("inner").as_list_of("items", object) == (1, "b")
    assert record.as_str("empty", "default") == "default"
    assert record.as_str("missing", "default") == "default"


@pytest.mark.parametrize(
    ("key", "method", "line", "what"),
    [
        ("count", "as_str", 3, "count is not text"),
        ("name", "as_int", 2, "name is not an integer"),
        ("inner", "as_bool", 4, "inner is not true or false"),
        ("name", "as_mapping", 2, "name is not an object"),
        ("empty", "as_str", 7, "empty is null"),
        ("missing", "as_str", 1, "missing is missing"),
    ],
)
def test_value_of_another_type_is_an_error_with_its_line(
    key: str, method: str, line: int, what: str
) -> None:
    with pytest.raises(RecordError) as caught:
        getattr(read_object(TEXT), method)(key)
    assert (caught.value.line, caught.value.what) == (line, what)


def test_error_in_an_inner_record_has_its_path_and_line() -> None:
    with pytest.raises(RecordError) as caught:
        read_object(TEXT).as_record("inner").as_list_of("items", int)
    assert str(caught.value) == "line 5: inner.items is not a list of integers"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}', '{"\\udfff": 1}', f'{{"a": {"9" * 20}}}', f'{{"a": {"9" * 5000}}}',
        "[" * 100_000, '{"a":' * 70 + "1" + "}" * 70,
    ],
)  # fmt: skip
def test_what_is_not_a_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        read_object(text)


@pytest.mark.parametrize("value", [True, "3", None, [], float("nan"), float("inf"), 10**309])
def test_what_no_float_holds_is_no_number(value: Any) -> None:
    assert not json_records.is_number(value)


@pytest.mark.parametrize("name", ["a", "a.b", "a-b", "ä", "a b", ".run", "console"])
def test_name_of_a_file(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", "C:", "a\0", "a\n", "a\x1b", "a.", " a", "nul", "Con.txt", "a" * 300, "\u202e", "a*"],
)  # fmt: skip
def test_what_is_no_name_of_a_file(name: str) -> None:
    assert not is_file_name(name)


def test_record_that_is_not_utf8_or_not_there(tmp_path: Path) -> None:
    assert read_file(tmp_path / "missing.json") is None
    (tmp_path / "a.json").write_bytes(b"\xff")
    with pytest.raises(RecordError, match="not UTF-8"):
        read_file(tmp_path / "a.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        read_file(tmp_path / "folder.json")
