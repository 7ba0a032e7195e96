"""Reading JSON with comments: values, places, and refusals that say where."""

from __future__ import annotations

import pytest

from innerloop.util.jsonc import MAX_DEPTH, Node, ParseError, parse

VALUES = {
    "plain": ('{"a": [1, 2.5, -0, true, null]}', {"a": [1, 2.5, 0, True, None]}),
    "line comment": ('{ // one\n"a": 1 }', {"a": 1}),
    "block comment": ('{/* , } */"a"/* : */:/**/1}', {"a": 1}),
    "comment marks in strings": ('["// no", "/* no */"]', ["// no", "/* no */"]),
    "trailing commas": ('{"a": [1,],}', {"a": [1]}),
    "escapes": (r'["\"\\\/\u00e9\ud83d\ude00"]', ['"\\/é😀']),
    "half a surrogate pair": (r'["\ud83d"]', ["\ud83d"]),
    "a raw tab in a string": ('["a\tb"]', ["a\tb"]),
    "byte order mark": ("\ufeff[]", []),
    "carriage returns": ("[\r1,\r\n2\r]", [1, 2]),
    "the last of two keys counts": ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
    "nothing": ("", None),
    "white space": (" \r\n\t", None),
    "a comment alone": ("// nothing", None),
    "a scalar": ("// one\n1.5e3", 1500.0),
}


@pytest.mark.parametrize(("text", "value"), VALUES.values(), ids=VALUES)
def test_values(text: str, value: object) -> None:
    assert parse(text).value == value


def test_nothing_is_not_null() -> None:
    assert parse("/**/").root is None
    assert parse("null").root == Node(None, 0, 4)


ERRORS = {
    "open object": ('{\n  "a": {\n', 2, 8, "this { is never closed"),
    "open array": ("[", 1, 1, "this [ is never closed"),
    "open string": ('{"a": "b\n}', 1, 7, "this string is not closed on its line"),
    "open comment": ("[ /* 1 ]", 1, 3, "this comment is never closed"),
    "no comma": ('{\n"a": 1\n"b": 2}', 3, 1, 'expected a comma, found "b"'),
    "two commas": ("[1,,2]", 1, 4, "expected a value, found ,"),
    "only a comma": ("[,]", 1, 2, "expected a value, found ,"),
    "no colon": ('{"a" 1}', 1, 6, "expected a colon, found 1"),
    "no value": ('{"a": }', 1, 7, "expected a value, found }"),
    "wrong bracket": ("[1}", 1, 3, "expected a comma, found }"),
    "two values": ("{} {}", 1, 4, "expected the end of the file, found {"),
    "single quotes": ("{'a': 1}", 1, 2, "expected a key, found '"),
    "a key without quotes": ("{abc: 1}", 1, 2, "expected a key, found abc"),
    "a word": ("[True]", 1, 2, "expected a value, found True"),
    "a longer word": ("[nullable]", 1, 2, "expected a value, found nullable"),
    "a leading zero": ("[01]", 1, 3, "expected a comma, found 1"),
    "not a number": ("[NaN]", 1, 2, "expected a value, found NaN"),
    "a huge number": ("[1e999]", 1, 2, "a number that is too large"),
    "too many digits": (f"[{'9' * 5000}]", 1, 2, "a number with too many digits"),
    "a broken escape": (r'["ab\x"]', 1, 5, "a broken escape in this string"),
    "a no-break space": ("[\u00a0]", 1, 2, "expected a value, found the character U+00A0"),
    "behind a byte order mark": ("\ufeff[x]", 1, 2, "expected a value, found x"),
    "a carriage return is a line": ("[\r\rx]", 3, 1, "expected a value, found x"),
    "a merge conflict": ("[\n<<<<<<< HEAD\n1]", 2, 1, "expected a value, found <"),
    "columns count letters": ('{"ü😀": x}', 1, 8, "expected a value, found x"),
    "too deep": ("[" * 500 + "]" * 500, 1, MAX_DEPTH + 1, "more than 128 levels of nesting"),
}


@pytest.mark.parametrize(("text", "line", "column", "what"), ERRORS.values(), ids=ERRORS)
def test_errors(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text, "tasks.json")
    error = caught.value
    assert (error.line, error.column, error.what) == (line, column, what)
    assert error.where == f"tasks.json:{line}:{column}"


def test_a_million_brackets_are_refused_and_not_followed() -> None:
    with pytest.raises(ParseError):
        parse("[" * 1_000_000)


def test_offsets_point_at_what_they_name() -> None:
    text = '\ufeff{ "a" : [ 1 , "x" ] , // c\n  "é": {} }\n'
    document = parse(text)
    assert document.root
    first, second = document.root.entries
    assert text[document.root.start : document.root.end].startswith('{ "a"')
    assert text[first.start : first.key_end] == '"a"'
    assert text[first.node.start : first.node.end] == '[ 1 , "x" ]'
    assert text[first.comma] == ","
    assert second.comma == -1
    assert [text[e.node.start : e.node.end] for e in first.node.entries] == ["1", '"x"']
    assert document.comments_in(0, len(text)) == ["// c"]
    assert document.position(second.start) == (2, 3)


def test_keys_that_hide_others_are_told_up_to_the_root() -> None:
    root = parse('{"a": [{"b": 1, "b": 2}], "c": {}}').root
    assert root
    assert root.shadowed
    assert root.entries[0].node.shadowed
    assert not root.entries[1].node.shadowed
