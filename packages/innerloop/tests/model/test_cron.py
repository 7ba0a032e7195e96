"""A cron expression: what is taken, when it comes, and what is said of one that cannot be."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerloop.model.settings import cron_expression
from innerloop.model.settings.cron_expression import BadCron, parse

MONDAY = datetime(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("0 3 * * 1", ["2026-11-23 03:00", "2026-11-30 03:00"]),
        ("0 3 * * MON", ["2026-11-23 03:00", "2026-11-30 03:00"]),
        ("30 */6 * * *", ["2026-11-23 00:30", "2026-11-23 06:30"]),
        ("5 1-9/4 1 jan,jul *", ["2027-01-01 01:05", "2027-01-01 05:05"]),
        ("0 0 13 * fri", ["2026-11-27 00:00", "2026-12-04 00:00"]),  # either kind of day
        ("0 0 13 * 0", ["2026-11-29 00:00", "2026-12-06 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("59 23 31 12 *", ["2026-12-31 23:59", "2027-12-31 23:59"]),
    ],
)
def test_the_next_starts(text: str, starts: list[str]) -> None:
    found = islice(parse(text).upcoming(MONDAY), 2)
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in found] == starts


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
        ("0 3 * * monday", 'the day of the week "monday" is no number or SUN to SAT'),
        ("0 3 * * 5-1", 'the day of the week "5-1" runs backwards'),
        ("*/0 3 * * 1", 'the minute has a step of "0"'),
        ("*/90 3 * * 1", 'the minute has a step of "90"'),
        ("5/15 3 * * 1", "write 5-59/15"),
        ("0 3 L * *", 'the day of the month "L" is no number'),
        ("0 3 * * 1#2", 'the day of the week "1#2" cannot be'),
        ("0,,5 3 * * 1", 'the minute "" cannot be'),
        ("*-5 3 * * 1", r'the minute "\*-5" cannot be'),
        ("-1 3 * * 1", 'the minute "-1" cannot be'),
        ("٣ 3 * * 1", "cannot be"),
        ("0 3 31 2,4 *", "never comes: no such month has a day 31"),
    ],
)
def test_one_that_cannot_be(text: str, message: str) -> None:
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
def test_what_it_lists_is_what_matches(text: str) -> None:
    try:
        one = parse(text)
    except BadCron as error:
        assert "never comes" in str(error)
        return
    first = next(one.upcoming(MONDAY))
    assert one.matches(first) and first > MONDAY
    if first - MONDAY < timedelta(days=2):
        between = int((first - MONDAY) / timedelta(minutes=1))
        assert not any(one.matches(MONDAY + timedelta(minutes=n)) for n in range(1, between))
