"""Single values as YAML on one line.

They have the same meaning in YAML 1.1, where `yes` is true, and in YAML 1.2.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .late_patterns import late_pattern

# Plain only if unambiguous: anything that may be a number, a date, a boolean, null or an indicator
# of YAML is quoted.
_WORD = r"[\w./$@+=%,;(){}<>*|&!?'\"^-]+"
_PLAIN = late_pattern(rf"(?=[A-Za-z_./$(]){_WORD}(?:[ :]{_WORD})*", re.ASCII)
_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
_NUMBER = late_pattern(r"\.?\d.*|[\d.]+|\.(?:inf|nan)", re.ASCII | re.IGNORECASE)
_UNSEEN = late_pattern("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _float(value) if isinstance(value, float) else text(str(value))


def text(value: str) -> str:
    """A text, plain if that is safe, else in double quotes."""
    return value if is_plain(value) else quoted(value)


def is_plain(value: str) -> bool:
    return (
        _PLAIN.fullmatch(value) is not None
        and value.lower() not in _WORDS
        and _NUMBER.fullmatch(value) is None
    )


def quoted(value: str) -> str:
    """The text as JSON, which is valid YAML, with invisible characters escaped."""
    return _UNSEEN.sub(
        lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False)
    )


def _float(value: float) -> str:
    """In YAML 1.1 a float needs a dot, and its exponent a sign."""
    if math.isinf(value) or math.isnan(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
    digits, mark, exponent = repr(value).partition("e")
    dotted = digits if "." in digits else f"{digits}.0"
    sign = "" if exponent[:1] in ("-", "+") else "+"
    return f"{dotted}e{sign}{exponent}" if mark else dotted
