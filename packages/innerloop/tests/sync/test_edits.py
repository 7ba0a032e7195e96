"""Edits to a text: tables of (before, value, after), to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.sync.json_edits import Edit, StyledDocument, apply, transform
from innerloop.util.jsonc import MAX_DEPTH, parse


def turned(text: str, value: Any) -> str:
    document = parse(text)
    assert document.root is not None
    return apply(text, transform(StyledDocument(document), document.root, value))


# What npm's jsonc-parser gets wrong.
JSONC_PARSER = {
    "the last item goes, with the comma before it": ("[1, 2]", [1], "[1]"),
    "the last member goes, with the comma before it": ('{"a": 1, "b": 2}', {"a": 1}, '{"a": 1}'),
    "the comment behind a neighbour stays": (
        '{\n  "a": 1, // of a\n  "b": 2\n}',
        {"a": 1},
        '{\n  "a": 1 // of a\n}',
    ),
    "the comment above a neighbour stays": (
        '{\n  "a": 1,\n  // of b\n  "b": 2\n}',
        {"b": 2},
        '{\n  // of b\n  "b": 2\n}',
    ),
    "a new member takes the indentation around it": (
        '{\n\t "a": {\n\t   "b": 1\n\t }\n}',
        {"a": {"b": 1, "c": {"d": [{}]}}},
        '{\n\t "a": {\n\t   "b": 1,\n\t   "c": {\n\t     "d": [\n\t       {}\n\t     ]\n\t   }\n\t }\n}',
    ),
    "a changed value leaves its object's layout": (
        '{ "a":1,\n     "b"  :  2 }',
        {"a": 1, "b": 3},
        '{ "a":1,\n     "b"  :  3 }',
    ),
}

REMOVED = {
    "first of one line": ("[1, 2, 3]", [2, 3], "[2, 3]"),
    "middle of one line": ("[1, 2, 3]", [1, 3], "[1, 3]"),
    "two of one line": ("[1, 2, 3]", [3], "[3]"),
    "all of one line": ('{ "a": 1 }', {}, "{}"),
    "all, on lines": ('{\n  "a": 1,\n  "b": 2\n}\n', {}, "{}\n"),
    "all but a comment": ('{\n  // why\n  "a": 1\n}', {}, "{\n  // why\n}"),
    "a line": ("[\n  1,\n  2,\n  3\n]", [1, 3], "[\n  1,\n  3\n]"),
    "the last line": ("[\n  1,\n  2\n]", [1], "[\n  1\n]"),
    "the last line, trailing comma": ("[\n  1,\n  2,\n]", [1], "[\n  1,\n]"),
    "carriage returns": ("[\r\n\t1,\r\n\t2\r\n]\r\n", [2], "[\r\n\t2\r\n]\r\n"),
    "of two on a line": ("[\n  1, 2,\n  3\n]", [2, 3], "[\n  2,\n  3\n]"),
    "last of two on a line": ("[\n  1, 2,\n  3\n]", [1, 3], "[\n  1,\n  3\n]"),
    "a blank line stays": ("[\n  1,\n\n  2\n]", [2], "[\n\n  2\n]"),
    "an object and the comment in it": (
        '[\n  {\n    // why\n    "a": 1 // one\n  },\n  2\n]',
        [2],
        "[\n  // why\n  // one\n  2\n]",
    ),
    "a comment in one line": ('{"a": /* why */ 1, "b": 2}', {"b": 2}, '{/* why */ "b": 2}'),
    "the comment on its line": ("[\n  1, // one\n  2\n]", [2], "[\n  // one\n  2\n]"),
    "a comment before the comma": ("[1 /* one */, 2]", [2], "[/* one */ 2]"),
}  # fmt: skip

ADDED = {
    "at the end of a line": ("[1, 2]", [1, 2, 3], "[1, 2, 3]"),
    "at its start": ("[1, 2]", [0, 1, 2], "[0, 1, 2]"),
    "in-container": ("[1, 3]", [1, 2, 3], "[1, 2, 3]"),
    "no blanks": ('{"a":1}', {"a": 1, "b": [1, {"c": 2}]}, '{"a":1, "b":[1, {"c":2}]}'),
    "no blanks behind commas": ("[1,2]", [1, 2, 3, 4], "[1,2,3,4]"),
    "padded": ('{ "a": 1 }', {"a": 1, "b": 2}, '{ "a": 1, "b": 2 }'),
    "a line": ("[\n  1\n]", [1, 2], "[\n  1,\n  2\n]"),
    "behind a trailing comma": ("[\n  1,\n]", [1, 2], "[\n  1,\n  2,\n]"),
    "behind a comment": ("[\n  1 // one\n]", [1, 2], "[\n  1, // one\n  2\n]"),
    "before a comment": ("[\n  1,\n  // two\n  2\n]", [1, 3, 2], "[\n  1,\n  3,\n  // two\n  2\n]"),
    "in front": ("[ // all\n  1\n]", [0, 1], "[ // all\n  0,\n  1\n]"),
    "carriage returns": ("[\r\n\t1\r\n]", [1, 2], "[\r\n\t1,\r\n\t2\r\n]"),
    "to nothing": ("[]", [1, 2], "[1, 2]"),
    "to nothing, in a file of lines": (
        '{\n  "a": {}\n}',
        {"a": {"b": 1}},
        '{\n  "a": {\n    "b": 1\n  }\n}',
    ),
    "to a comment": ("[\n  // none\n]", [1], "[\n  // none\n  1\n]"),
    "an object, as its sibling on one line": (
        '[\n  { "a": 1 }\n]',
        [{"a": 1}, {"a": 2, "b": [3]}],
        '[\n  { "a": 1 },\n  { "a": 2, "b": [3] }\n]',
    ),
    "an object, as its sibling on lines": (
        '[{\n  "a": 1\n}]\n',
        [{"a": 1}, {"a": 2}],
        '[{\n  "a": 1\n}, {\n  "a": 2\n}]\n',
    ),
    "a small object under a key, on its line": (
        '{\n  "a": [1]\n}',
        {"a": [1], "b": {"c": 1, "d": "x"}, "e": {"f": 1, "g": 2, "h": 3}},
        '{\n  "a": [1],\n  "b": {"c": 1, "d": "x"},\n  "e": {\n    "f": 1,\n    "g": 2,\n    "h": 3\n  }\n}',
    ),
    "a list, as others with a line each": (
        '{\n  "a": [\n    1\n  ]\n}',
        {"a": [1], "b": [2]},
        '{\n  "a": [\n    1\n  ],\n  "b": [\n    2\n  ]\n}',
    ),
    "letters beyond ASCII": ('["é"]', ["é", "\u2028😀"], '["é", "\u2028😀"]'),
    "half a surrogate pair": ("[1]", [1, "\ud83d"], r'[1, "\ud83d"]'),
}  # fmt: skip

CHANGED = {
    "a scalar": ('{"a": 1 /* one */}', {"a": 2}, '{"a": 2 /* one */}'),
    "an item": ('["run", /* who */ "a"]', ["run", "b"], '["run", /* who */ "b"]'),
    "to another kind": ('{"a": [1]}', {"a": {"b": 1}}, '{"a": {"b": 1}}'),
    "to another kind, with a comment": (
        '{\n  "a": [ // why\n    1\n  ]\n}',
        {"a": "x"},
        '{\n  "a": // why\n  "x"\n}',
    ),
    "the whole": ("// why\n[1]\n", 5, "// why\n5\n"),
    "one in, one out": ('{ "a": 1 }', {"b": 2}, '{ "b": 2 }'),
    "the last of two keys": ('{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 3}}, '{"a": 1, "b": {"a": 3}}'),
}  # fmt: skip

NOOP = {
    "order of keys": ('{"b": 1,   "a": 2}', {"a": 2, "b": 1}),
    "escapes": (r'["\u00e9\/"]', ["é/"]),
    "numbers as written": ("[1.50, 1E2]", [1.5, 100.0]),
    "odd layout": ('\ufeff{\t"a"\n:1 ,}\r\n\n', {"a": 1}),
}


@pytest.mark.parametrize(("text", "value", "after"), JSONC_PARSER.values(), ids=JSONC_PARSER)
def test_faults_of_jsonc_parser(text: str, value: Any, after: str) -> None:
    assert turned(text, value) == after


@pytest.mark.parametrize(("text", "value", "after"), REMOVED.values(), ids=REMOVED)
def test_removed(text: str, value: Any, after: str) -> None:
    assert turned(text, value) == after


@pytest.mark.parametrize(("text", "value", "after"), ADDED.values(), ids=ADDED)
def test_added(text: str, value: Any, after: str) -> None:
    assert turned(text, value) == after


@pytest.mark.parametrize(("text", "value", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text: str, value: Any, after: str) -> None:
    assert turned(text, value) == after


@pytest.mark.parametrize(("text", "value"), NOOP.values(), ids=NOOP)
def test_noop(text: str, value: Any) -> None:
    assert turned(text, value) == text


def test_edits_go_in_from_the_end_and_insertions_come_first() -> None:
    edits = [Edit(3, 2, ""), Edit(3, 0, "X"), Edit(0, 1, "A"), Edit(3, 0, "Y"), Edit(6, 0, "!")]
    assert apply("abcdef", edits) == "AbcXYf!"


def test_the_deepest_file_can_be_changed() -> None:
    depth = MAX_DEPTH - 1
    text = '{"a":' * depth + "1" + "}" * depth
    value: Any = 2
    for _ in range(depth):
        value = {"a": value}
    assert turned(text, value) == text.replace("1", "2")
