"""Cron expressions: their values, and the errors of invalid ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.settings import cron_expression
from innerloop.model.settings.cron_expression import BadCron, parse


def test_fields_become_sets_of_values() -> None:
    cron = parse("30  */6 1-9/4,20 jan,jul MON-wed")
    assert cron.text == "30 */6 1-9/4,20 jan,jul MON-wed"
    sets = [cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays]
    assert [sorted(values) for values in sets] == [
        [30],
        [0, 6, 12, 18],
        [1, 5, 9, 20],
        [1, 7],
        [1, 2, 3],
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("0 3 * * 1", 1440), ("*/5 * * * *", 5), ("0,58 * * * *", 2), ("59 0,23 * * *", 60)],
)
def test_shortest_time_between_starts(text: str, minutes: int) -> None:
    assert parse(text).shortest == minutes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 * *", "has 4 fields, not five"),
        ("@weekly", "has 1 fields, not five"),
        ("60 3 * * 1", "the minute 60 is not between 0 and 59"),
        ("0 24 * * 1", "the hour 24 is not between 0 and 23"),
        ("0 3 0 * *", "the day of the month 0 is not between 1 and 31"),
        ("0 3 * 13 *", "the month 13 is not between 1 and 12"),
        ("0 3 * * 7", "the day of the week 7 is not between 0 and 6; Sunday is 0"),
        ("0 3 * * monday", 'the day of the week "monday" is not a number or SUN to SAT'),
        ("0 3 * * 5-1", 'the day of the week "5-1" is a reversed range'),
        ("*/0 3 * * 1", 'the minute has the step "0"'),
        ("*/90 3 * * 1", 'the minute has the step "90"'),
        ("5/15 3 * * 1", "write 5-59/15"),
        ("0 3 L * *", 'the day of the month "L" is not a number'),
        ("0 3 * * 1#2", 'the day of the week "1#2" is invalid'),
        ("0,,5 3 * * 1", 'the minute "" is invalid'),
        ("*-5 3 * * 1", r'the minute "\*-5" is invalid'),
        ("-1 3 * * 1", 'the minute "-1" is invalid'),
        ("٣ 3 * * 1", "is invalid"),
        ("0 3 31 2,4 *", "never starts: these months have no day 31"),
    ],
)
def test_invalid_expression_raises(text: str, message: str) -> None:
    with pytest.raises(BadCron, match=message):
        parse(text)


def words(field: cron_expression._Field) -> st.SearchStrategy[str]:
    numbers = st.integers(field.first, field.last)
    pairs = st.tuples(numbers, numbers).map(sorted)
    ranges = pairs.map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.integers(1, field.last)
    parts = st.one_of(
        numbers.map(str),
        ranges,
        st.tuples(ranges, steps).map(lambda one: f"{one[0]}/{one[1]}"),
        steps.map(lambda step: f"*/{step}"),
    )
    return st.just("*") | st.lists(parts, min_size=1, max_size=3).map(",".join)


@given(st.tuples(*map(words, cron_expression._FIELDS)).map(" ".join))
def test_values_are_within_their_fields(text: str) -> None:
    try:
        cron = parse(text)
    except BadCron as error:
        assert "never starts" in str(error)
        return
    sets = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    for field, values in zip(cron_expression._FIELDS, sets, strict=True):
        assert values and all(field.first <= value <= field.last for value in values)
    assert 1 <= cron.shortest <= 1440
