"""YAML as values that know their place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.util.errors import UserError
from innerloop.util.position import Position
from innerloop.util.yaml_text import parse

TEXT = """\
command: >-
  python train.py
  --a ${{inputs.a}} --b ${{inputs.a}}
inputs:
  a: 1
  list: [x, {deep: y}]
base: &base {k: v}
more:
  <<: *base
  k: w
  7: seven
  k: last
"""


def test_places() -> None:
    text = parse(TEXT, "a.yaml")
    assert text.where() == Position("a.yaml", 1, 1)
    assert text.where("inputs", "a") == Position("a.yaml", 5, 3)
    assert text.where("inputs", "list", 1, "deep") == Position("a.yaml", 6, 14)
    assert text.where("inputs", "nothing", "below") == Position("a.yaml", 4, 1)
    assert text.where("nothing") == Position("a.yaml", 1, 1)
    assert text.where("more", "7") == Position("a.yaml", 11, 3)
    assert text.where("more", "k") == Position("a.yaml", 12, 3)


def test_places_inside_a_value() -> None:
    text = parse(TEXT, "a.yaml")
    assert text.where_text(("command",), "${{inputs.a}}") == Position("a.yaml", 3, 7)
    assert text.where_text(("command",), "${{inputs.a}}", 1) == Position("a.yaml", 3, 25)
    assert text.where_text(("command",), "train.py --a") == Position("a.yaml", 1, 1)
    assert text.where_text(("nothing",), "x") == Position("a.yaml", 1, 1)


def test_keys_that_stand_twice() -> None:
    text = parse(TEXT, "a.yaml")
    assert text.duplicates() == [(Position("a.yaml", 12, 3), "k")]
    assert text.value["more"]["k"] == "last"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("1e-5", "1e-5"),
        ("1.0e-5", 1e-05),
        ("010", 8),
        ("12:30", 750),
        ("1_000", 1000),
        ("~", None),
        ("'é😀'", "é😀"),
    ],
)
def test_values_are_those_of_yaml_1_1(text: str, value: object) -> None:
    assert parse(f"a: {text}\n", "a.yaml").value == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c\n", "a.yaml:1:5: not YAML: mapping values are not allowed"),
        ("a: [1\n", "a.yaml:2:1: not YAML"),
        ("a: 1\n\tb: 2\n", "a.yaml:2:1: not YAML: it is indented with a tab"),
        ("a: *nowhere\n", "a.yaml:1:4: not YAML: found undefined alias"),
        ("a: !mine 3\n", "a.yaml:1:4: not YAML: could not determine a constructor"),
        ("a: 1\n--- \nb: 2\n", "a.yaml:2:1: not one YAML document"),
        ("{a: 1}: 2\n", "a.yaml:1:1: not YAML: found unhashable key"),
        ("a: 2024-13-41\n", "a.yaml:1: not YAML"),
        ("a: \x00\n", "a.yaml:1: not YAML"),
        (
            "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n",
            "a.yaml:2:1: not YAML: it contains a merge conflict",
        ),
        (
            "a: {{ cluster }}\n",
            "a.yaml:1:5: not YAML: this is a template with the placeholder {{ cluster }}",
        ),
        ("{% if gpu %}\na: 1\n{% endif %}\n", "a.yaml:1:2: not YAML: this is a template"),
        ("a: &t\n  b: *t\n", "a.yaml:1:4: an alias contains itself"),
        ("a: &t [1, *t]\n", "a.yaml:1:4: an alias contains itself"),
    ],
)
def test_what_is_no_yaml(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text, "a.yaml")
    assert message in caught.value.message()


def test_what_is_nested_too_deeply() -> None:
    with pytest.raises(UserError, match="a.yaml:1:101: more than 100 levels of nesting"):
        parse("[" * 900 + "]" * 900, "a.yaml")
    with pytest.raises(UserError, match="a.yaml:1:.*nesting"):  # newer libyaml has a limit, too
        parse("[" * 20_000 + "]" * 20_000, "a.yaml")


def test_aliases_that_unfold_without_an_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    with pytest.raises(UserError, match="a.yaml:6:.*expand to more than 100,000 values"):
        parse("\n".join(lines), "a.yaml")
    assert parse("a: &a {k: 1}\nb: [*a, *a]\n", "a.yaml").value["b"] == [{"k": 1}, {"k": 1}]


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_a_mistake(text: str) -> None:
    try:
        made = parse(text, "a.yaml")
    except UserError as mistake:
        assert mistake.where.startswith("a.yaml:")
        return
    made.duplicates()
    assert made.where("a").file == "a.yaml"


def test_a_job_of_thirty_lines_takes_less_than_a_blink() -> None:
    text = "".join(f"k{number}: {{a: {number}}}\n" for number in range(30))
    start = time.perf_counter()
    for _ in range(20):
        parse(text, "a.yaml")
    assert (time.perf_counter() - start) / 20 < 0.02
