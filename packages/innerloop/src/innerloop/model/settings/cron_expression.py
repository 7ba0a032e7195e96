"""A cron expression of five fields, as GitHub, Azure Pipelines and Kubernetes all read it.

What only some of them take (`@weekly`, `L`, `7` for Sunday, `5/15`) is refused: one `[schedule]`
serves them all. Times are UTC. Source: POSIX crontab; the three services' pages on schedules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    title: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


class BadCron(ValueError):
    """The message is a sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class Cron:
    """`text` as it is handed on: five fields with one blank between. The sets hold the values of
    each field; weekdays from 0, Sunday."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def matches(self, moment: datetime) -> bool:
        """Whether a run begins in this minute (UTC)."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and self._on(moment)
        )

    @property
    def shortest(self) -> int:
        """Minutes between two starts that follow each other, at the least."""
        starts = sorted(hour * 60 + minute for hour in self.hours for minute in self.minutes)
        return min(
            later - one for one, later in zip(starts, [*starts[1:], starts[0] + 1440], strict=True)
        )

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """The next starts, without end."""
        day = after.replace(hour=0, minute=0, second=0, microsecond=0)
        while True:
            if day.month in self.months and self._on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        moment = day.replace(hour=hour, minute=minute)
                        if moment > after:
                            yield moment
            day += timedelta(days=1)

    def _on(self, day: datetime) -> bool:
        """Where both kinds of day are named, one of them is enough (POSIX)."""
        fields = self.text.split()
        in_month = day.day in self.days
        in_week = (day.weekday() + 1) % 7 in self.weekdays
        if fields[2] == "*" or fields[4] == "*":
            return in_month and in_week
        return in_month or in_week


def parse(text: str) -> Cron:
    """Raises BadCron, which says which field cannot be and why."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise BadCron(
            f'"{text}" has {len(fields)} fields, not five (minute, hour, day of the month, month, '
            "day of the week)"
        )
    values = [_values(one, field) for one, field in zip(fields, _FIELDS, strict=True)]
    cron = Cron(" ".join(fields), *values)
    if fields[4] == "*" and not any(min(cron.days) <= _LONGEST[m - 1] for m in cron.months):
        raise BadCron(f'"{cron.text}" never comes: no such month has a day {min(cron.days)}')
    return cron


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\w+))?", part, re.ASCII)
    if found is None or (found[1] == "*" and found[2]):
        raise BadCron(f'the {field.title} "{part}" cannot be: write *, 5, 1-5, */2 or 1,3')
    step = _step(found[3], field) if found[3] else 1
    if found[1] == "*":
        return range(field.first, field.last + 1, step)
    low = _value(found[1], field)
    if found[3] and not found[2]:
        raise BadCron(
            f'the {field.title} "{part}" is not read alike everywhere: write '
            f"{found[1]}-{field.last}/{step}"
        )
    high = _value(found[2], field) if found[2] else low
    if high < low:
        raise BadCron(f'the {field.title} "{part}" runs backwards')
    return range(low, high + 1, step)


def _value(word: str, field: _Field) -> int:
    if word.lower() in field.names:
        return field.names.index(word.lower()) + field.first
    if not word.isdigit():
        names = f" or {field.names[0].upper()} to {field.names[-1].upper()}" if field.names else ""
        raise BadCron(f'the {field.title} "{word}" is no number{names}')
    number = int(word)
    if not field.first <= number <= field.last:
        sunday = "; Sunday is 0" if field.names is _DAYS and number == 7 else ""
        raise BadCron(
            f"the {field.title} {number} is not between {field.first} and {field.last}{sunday}"
        )
    return number


def _step(word: str, field: _Field) -> int:
    if not word.isdigit() or not 0 < int(word) <= field.last:
        raise BadCron(f'the {field.title} has a step of "{word}": write 1 to {field.last}')
    return int(word)
