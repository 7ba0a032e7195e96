"""Laws that hold for every file, every edit of a person's and every change of what is wanted."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from innerloop.sync.json_edits import Page, apply, transform
from innerloop.sync.json_paths import format_path, parse_path
from innerloop.sync.state_file import Memory, dump, load
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
    """Named lists in one order: what is remembered has none."""
    if isinstance(value, dict):
        return {k: listed(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((listed(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def three(seed: int, doubles: bool = False) -> tuple[str, Any, Any, Any]:
    """(text found, its value, last, wanted)"""
    r = Random(seed)
    last: Any = documents.file(r)
    much = r.choice([0.05, 0.3, 0.7])
    wanted: Any = documents.varied(r, last, documents.FILE, much)
    base = r.choice([last, last, wanted, documents.file(r)])
    found = documents.unnamed(r, documents.varied(r, base, documents.FILE, r.choice([0, 0.3])))
    text = documents.Writer(r, doubles).text(found)
    pick = r.random()
    last = None if pick < 0.1 else last
    wanted = None if 0.1 < pick < 0.25 else wanted
    return text, found, last, wanted


@cases(15000)
@given(seeds)
def test_the_merge_is_what_the_rules_say(seed: int) -> None:
    text, found, last, wanted = three(seed)
    rules = oracle.Oracle()
    value, remembered = rules.merge(found, of(last), of(wanted))
    merged = merge(text, last, wanted, RULES)
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
    assert sorted(c.steps for c in merged.clashes) == sorted(rules.clashes)
    assert oracle.equal(
        listed(merged.last), listed(None if remembered is oracle.NO else remembered)
    )
    check_again(merged, wanted)


def check_again(merged: Merged, wanted: Any) -> None:
    """A second time changes nothing, even when what is remembered went through its file."""
    for last in (merged.last, through_memory(merged.last)):
        again = merge(merged.text, last, wanted, RULES)
        assert again.text == merged.text
        assert [c.steps for c in again.clashes] == [c.steps for c in merged.clashes]
        assert oracle.equal(listed(again.last), listed(merged.last))


def through_memory(last: Any) -> Any:
    if last is None:
        return None
    text = dump(Memory({"f": last}), RULES)
    memory = load(text)
    assert dump(memory, RULES) == text
    assert oracle.equal(listed(memory.rendered["f"]), listed(last))
    return memory.rendered["f"]


def check_line_breaks(before: str, after: str) -> None:
    for eol in ("\r\n", "\n", "\r"):
        if eol in before and not before.replace(eol, "").count("\n" if eol != "\n" else "\r"):
            assert after.replace(eol, "").strip("\r\n") == after.replace(eol, ""), eol
            break


@cases(5000)
@given(seeds)
def test_of_keys_that_are_there_twice_nothing_of_the_persons_is_lost(seed: int) -> None:
    text, found, last, wanted = three(seed, doubles=True)
    merged = merge(text, last, wanted, RULES)
    assert comments(text) == comments(merged.text or "")
    hidden = text.count('"shadow"')
    assert (merged.text or "").count('"shadow"') == hidden
    again = merge(merged.text, merged.last, wanted, RULES)
    assert again.text == merged.text


@cases(5000)
@given(seeds)
def test_settling_a_clash_settles_it_for_good(seed: int) -> None:
    text, _, last, wanted = three(seed)
    merged = merge(text, last, wanted, RULES)
    assert merged.text is not None or not merged.clashes
    for clash in merged.clashes[:2]:
        others = [c.steps for c in merged.clashes if c.steps != clash.steps]
        for settle in (keep, take):
            settled = settle(text, last, wanted, RULES, clash.path)
            assert [c.steps for c in settled.clashes] == others
            assert comments(text) == comments(settled.text or "")
            check_again(settled, wanted)
            later = settle(merged.text or "", merged.last, wanted, RULES, clash.path)
            assert oracle.equal(value_of(later), value_of(settled))
            assert oracle.equal(listed(later.last), listed(settled.last))


def value_of(merged: Merged) -> Any:
    return None if merged.text is None else parse(merged.text).value


@cases(8000)
@given(seeds)
def test_a_text_is_turned_into_any_value(seed: int) -> None:
    r = Random(seed)
    before = r.choice([documents.file(r), documents.anything(r, 4)])
    target = r.choice([documents.varied(r, before), documents.anything(r, 4)])
    text = documents.Writer(r).text(before)
    document = parse(text)
    assert oracle.equal(document.value, before) and document.root
    after = apply(text, transform(Page(document), document.root, target))
    assert oracle.equal(parse(after).value, target)
    assert comments(after) == comments(text)
    check_line_breaks(text, after)


@cases(6000)
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
