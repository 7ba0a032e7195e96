"""JSON with comments the slow way: blank out comments and trailing commas, then Python's json."""

from __future__ import annotations

import json
import math
from typing import Any


def plain_value(text: str) -> Any:
    """None for a text without a value. Raises ValueError."""
    bare = blanked(text.removeprefix("\ufeff"))
    if not bare.strip(" \t\r\n"):
        return None
    marks = without_trailing_commas(bare)
    return json.loads(marks, strict=False, parse_constant=refuse, parse_float=finite)


def refuse(constant: str) -> Any:
    raise ValueError(constant)


def finite(text: str) -> float:
    number = float(text)
    return refuse(text) if math.isinf(number) else number


def blanked(text: str) -> str:
    out, at = "", 0
    while at < len(text):
        if text[at] == '"':
            end = end_of_string(text, at)
        elif text.startswith("//", at):
            end = at
            while end < len(text) and text[end] not in "\r\n":
                end += 1
            out, at = out + " ", end
            continue
        elif text.startswith("/*", at):
            end = text.index("*/", at + 2) + 2
            out, at = out + " ", end
            continue
        else:
            end = at + 1
        out, at = out + text[at:end], end
    return out


def end_of_string(text: str, at: int) -> int:
    end = at + 1
    while text[end : end + 1] != '"':
        if end >= len(text) or text[end] in "\r\n":
            raise ValueError("open string")
        end += 2 if text[end] == "\\" else 1
    return end + 1


def without_trailing_commas(text: str) -> str:
    out, at, before = "", 0, ""
    while at < len(text):
        end = end_of_string(text, at) if text[at] == '"' else at + 1
        ahead = text[end:].lstrip(" \t\r\n")[:1]
        if (
            text[at] == ","
            and ahead in ("]", "}")
            and ahead
            and before not in ("", "[", "{", ",", ":")
        ):
            out += " "
        else:
            out += text[at:end]
        if text[at] not in " \t\r\n":
            before = text[at]
        at = end
    return out
