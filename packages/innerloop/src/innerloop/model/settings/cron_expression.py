"""A cron expression of five fields, in the syntax that GitHub, Azure Pipelines and Kubernetes share.

Syntax of only some of them (`@weekly`, `L`, `7` for Sunday, `5/15`) is refused: one `[schedule]`
serves them all. Times are UTC. Source: POSIX crontab; the three services' pages on schedules.
"""

from __future__ import annotations

import re

from ...util.quick_dataclasses import dataclass

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
    """`text` is the expression with one blank between its fields.

    The sets are the values of each field; weekdays count from 0, Sunday.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def shortest(self) -> int:
        """The shortest time between two starts, in minutes."""
        starts = sorted(hour * 60 + minute for hour in self.hours for minute in self.minutes)
        return min(
            later - start
            for start, later in zip(starts, [*starts[1:], starts[0] + 1440], strict=True)
        )


def parse(text: str) -> Cron:
    """Raises BadCron for an invalid field."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise BadCron(
            f'"{text}" has {len(fields)} fields, not five (minute, hour, day of the month, month, '
            "day of the week)"
        )
    values = [_values(part, field) for part, field in zip(fields, _FIELDS, strict=True)]
    cron = Cron(" ".join(fields), *values)
    if fields[4] == "*" and not any(min(cron.days) <= _LONGEST[m - 1] for m in cron.months):
        raise BadCron(f'"{cron.text}" never starts: these months have no day {min(cron.days)}')
    return cron


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\w+))?", part, re.ASCII)
    if match is None or (match[1] == "*" and match[2]):
        raise BadCron(f'the {field.title} "{part}" is invalid: write *, 5, 1-5, */2 or 1,3')
    step = _step(match[3], field) if match[3] else 1
    if match[1] == "*":
        return range(field.first, field.last + 1, step)
    low = _value(match[1], field)
    if match[3] and not match[2]:
        raise BadCron(
            f'the {field.title} "{part}" means different things on different services: write '
            f"{match[1]}-{field.last}/{step}"
        )
    high = _value(match[2], field) if match[2] else low
    if high < low:
        raise BadCron(f'the {field.title} "{part}" is a reversed range')
    return range(low, high + 1, step)


def _value(word: str, field: _Field) -> int:
    if word.lower() in field.names:
        return field.names.index(word.lower()) + field.first
    if not word.isdigit():
        names = f" or {field.names[0].upper()} to {field.names[-1].upper()}" if field.names else ""
        raise BadCron(f'the {field.title} "{word}" is not a number{names}')
    number = int(word)
    if not field.first <= number <= field.last:
        sunday = "; Sunday is 0" if field.names is _DAYS and number == 7 else ""
        raise BadCron(
            f"the {field.title} {number} is not between {field.first} and {field.last}{sunday}"
        )
    return number


def _step(word: str, field: _Field) -> int:
    if not word.isdigit() or not 0 < int(word) <= field.last:
        raise BadCron(f'the {field.title} has the step "{word}", not 1 to {field.last}')
    return int(word)
