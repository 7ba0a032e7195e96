"""Laws that hold for every file, every edit of a person's and every change of what is theirs."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.sync.json_edits import StyledDocument, apply, transform
from innerloop.sync.json_paths import format_path, parse_path
from innerloop.sync.state_file import State, dump, load
from innerloop.sync.three_way import Merged, keep, merge, take
from innerloop.util.json_values import ABSENT
from innerloop.util.jsonc import ParseError, parse
from tests.sync import documents, oracle
from tests.sync.plain import plain_value
from tests.sync.support import RULES, cases, check_untouched, comments

seeds = st.integers(0, 2**48)


def of(value: Any) -> Any:
    return oracle.NO if value is None or value is ABSENT else value


def listed(value: Any) -> Any:
    """Named lists in one order: what is recorded has none."""
    if isinstance(value, dict):
        return {k: listed(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((listed(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def three(seed: int, doubles: bool = False) -> tuple[str, Any, Any, Any]:
    """The text of yours, its value, base and theirs."""
    r = Random(seed)
    base: Any = documents.file(r)
    much = r.choice([0.05, 0.3, 0.7])
    theirs: Any = documents.varied(r, base, documents.FILE, much)
    base = r.choice([base, base, theirs, documents.file(r)])
    yours = documents.unnamed(r, documents.varied(r, base, documents.FILE, r.choice([0, 0.3])))
    text = documents.Writer(r, doubles).text(yours)
    pick = r.random()
    base = None if pick < 0.1 else base
    theirs = None if 0.1 < pick < 0.25 else theirs
    return text, yours, base, theirs


@cases(2500)
@given(seeds)
def test_the_merge_is_what_the_rules_say(seed: int) -> None:
    text, yours, base, theirs = three(seed)
    expected_merge = oracle.Oracle()
    value, recorded = expected_merge.file(yours, of(base), of(theirs))
    merged = merge(text, base, theirs, RULES)
    if value is oracle.NO and not comments(text):
        assert merged.text is None
    else:
        assert merged.text is not None
        expected = {} if value is oracle.NO else value
        after = parse(merged.text)
        assert oracle.equal(after.value, expected)
        check_untouched(parse(text), after)
        assert comments(text) == comments(merged.text)
        check_line_breaks(text, merged.text)
    assert sorted(c.steps for c in merged.conflicts) == sorted(expected_merge.conflicts)
    assert oracle.equal(listed(merged.base), listed(None if recorded is oracle.NO else recorded))
    check_again(merged, theirs)


def check_again(merged: Merged, theirs: Any) -> None:
    """A second time changes nothing, even when what is recorded went through its file."""
    for base in (merged.base, through_memory(merged.base)):
        again = merge(merged.text, base, theirs, RULES)
        assert again.text == merged.text
        assert [c.steps for c in again.conflicts] == [c.steps for c in merged.conflicts]
        assert oracle.equal(listed(again.base), listed(merged.base))


def through_memory(base: Any) -> Any:
    if base is None:
        return None
    text = dump(State({".vscode/tasks.json": base}), RULES)
    state = load(text)
    assert dump(state, RULES) == text
    assert oracle.equal(listed(state.generated[".vscode/tasks.json"]), listed(base))
    return state.generated[".vscode/tasks.json"]


def check_line_breaks(before: str, after: str) -> None:
    for eol in ("\r\n", "\n", "\r"):
        if eol in before and not before.replace(eol, "").count("\n" if eol != "\n" else "\r"):
            assert after.replace(eol, "").strip("\r\n") == after.replace(eol, ""), eol
            break


@cases(800)
@given(seeds)
def test_of_keys_that_are_there_twice_nothing_of_the_persons_is_lost(seed: int) -> None:
    text, yours, base, theirs = three(seed, doubles=True)
    merged = merge(text, base, theirs, RULES)
    assert comments(text) == comments(merged.text or "")
    hidden = text.count('"shadow"')
    assert (merged.text or "").count('"shadow"') == hidden
    again = merge(merged.text, merged.base, theirs, RULES)
    assert again.text == merged.text


@cases(800)
@given(seeds)
def test_settling_a_clash_settles_it_for_good(seed: int) -> None:
    text, _, base, theirs = three(seed)
    merged = merge(text, base, theirs, RULES)
    assert merged.text is not None or not merged.conflicts
    for conflict in merged.conflicts[:2]:
        others = [c.steps for c in merged.conflicts if c.steps != conflict.steps]
        for settle in (keep, take):
            settled = settle(text, base, theirs, RULES, conflict.path)
            assert [c.steps for c in settled.conflicts] == others
            assert comments(text) == comments(settled.text or "")
            check_again(settled, theirs)
            later = settle(merged.text or "", merged.base, theirs, RULES, conflict.path)
            assert oracle.equal(value_of(later), value_of(settled))
            assert oracle.equal(listed(later.base), listed(settled.base))


def value_of(merged: Merged) -> Any:
    return None if merged.text is None else parse(merged.text).value


@cases(1500)
@given(seeds)
def test_a_text_is_turned_into_any_value(seed: int) -> None:
    r = Random(seed)
    before = r.choice([documents.file(r), documents.anything(r, 4)])
    target = r.choice([documents.varied(r, before), documents.anything(r, 4)])
    text = documents.Writer(r).text(before)
    document = parse(text)
    assert oracle.equal(document.value, before) and document.root
    after = apply(text, transform(StyledDocument(document), document.root, target))
    assert oracle.equal(parse(after).value, target)
    assert comments(after) == comments(text)
    check_line_breaks(text, after)


@cases(1200)
@given(seeds)
def test_a_damaged_text_is_read_rightly_or_refused_with_its_place(seed: int) -> None:
    r = Random(seed)
    text = documents.Writer(r, doubles=True).text(documents.file(r))
    for _ in range(r.randrange(1, 3)):
        at = r.randrange(len(text) + 1)
        text = (
            text[:at]
            + r.choice(["", *'{}[],:"/*\\ \n\t01e.-', "true", "//"])
            + text[at + r.randrange(2) :]
        )
    check_reading(text)


def check_reading(text: str) -> None:
    try:
        expected = plain_value(text)
    except ValueError:
        expected = oracle.NO
    try:
        document = parse(text, "f")
    except ParseError as error:
        assert expected is oracle.NO, text
        assert error.where == f"f:{error.line}:{error.column}"
    else:
        assert oracle.equal(document.value, expected), text


@cases(1000)
@given(st.lists(st.text(), max_size=4))
def test_paths_can_be_typed_back(steps: list[str]) -> None:
    path = tuple(steps)
    assert parse_path(format_path(path)) == path


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("law", "number"),
    [
        (test_the_merge_is_what_the_rules_say, 30_000),
        (test_of_keys_that_are_there_twice_nothing_of_the_persons_is_lost, 10_000),
        (test_settling_a_clash_settles_it_for_good, 10_000),
        (test_a_text_is_turned_into_any_value, 16_000),
        (test_a_damaged_text_is_read_rightly_or_refused_with_its_place, 12_000),
    ],
)
def test_laws_hold_in_many_more_cases(law: Any, number: int) -> None:
    cases(number)(given(seeds)(law.hypothesis.inner_test))()
