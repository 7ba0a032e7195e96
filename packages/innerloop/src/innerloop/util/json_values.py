"""JSON values, and when two of them are the same."""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

# Any, because a recursive alias makes every isinstance narrowing of a dict or list a cast.
Json: TypeAlias = Any


class Absent(Enum):
    """That there is nothing at a path; JSON's null is a value."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
Maybe: TypeAlias = Json | Literal[Absent.ABSENT]

_SURROGATE = re.compile("[\ud800-\udfff]")


def same(one: Maybe, other: Maybe) -> bool:
    """Equal as JSON: key order is nothing, `true` is not `1`, and `1` is not `1.0`."""
    if one is ABSENT or other is ABSENT:
        return one is other
    if one != other:
        return False
    return isinstance(one, str) or canonical(one) == canonical(other)


def canonical(value: Json) -> str:
    """One text for each value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def scalar_text(value: Json) -> str:
    """JSON on one line, readable: characters beyond ASCII stay as they are, except halves of a
    surrogate pair, which no file could hold."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if _SURROGATE.search(text) else text
