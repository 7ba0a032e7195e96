"""JSON values and their equality."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from .late_patterns import late_pattern

# Any, because a recursive alias makes every isinstance narrowing of a dict or list a cast.
Json: TypeAlias = Any


class Absent(Enum):
    """The absence of a value at a path. JSON's null is a value."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
Maybe: TypeAlias = Json | Literal[Absent.ABSENT]

_SURROGATE = late_pattern("[\ud800-\udfff]")


def same(one: Maybe, other: Maybe) -> bool:
    """Equality as JSON: the order of keys does not matter, `true` is not `1`, `1` is not `1.0`."""
    if one is ABSENT or other is ABSENT:
        return one is other
    if one != other:
        return False
    return isinstance(one, str) or canonical(one) == canonical(other)


def canonical(value: Json) -> str:
    """A text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def scalar_text(value: Json) -> str:
    """JSON on one line.

    Non-ASCII characters are kept, except lone surrogates, which UTF-8 cannot encode.
    """
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if _SURROGATE.search(text) else text
