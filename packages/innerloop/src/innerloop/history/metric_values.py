"""Values of metrics as programs write them: numbers, and what is written where there is no number.

A value that is no finite number is a result as well: a run whose loss is NaN has diverged. JSON has no
NaN, so programs write it in many ways; here each is a float that is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# As text, in any case: Python, NumPy, JavaScript and MLflow's REST API.
_WORDS = {
    **dict.fromkeys(("nan", "-nan", "+nan"), math.nan),
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
}
# Beyond it a number is infinite. MLflow's databases keep an infinity as the largest float, 1.798e308.
LARGEST = 1.79e308


def value_of(value: object) -> float | None:
    """The value of a metric, finite or not; None for what is no metric (a text, a list, true, null)."""
    if isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if -LARGEST <= value <= LARGEST or value != value:
        return float(value)
    return math.inf if value > 0 else -math.inf


def parsed(text: str) -> float | None:
    """The value of a text such as a line of an MLflow file has; None if it is no number."""
    try:
        return value_of(float(text))
    except ValueError:
        return value_of(text)


def last_of(values: Sequence[float]) -> float:
    """The value that a metric ended with: the last of at least one.

    A curve that ends in values that are not finite has diverged: it ends with NaN if any of these is
    NaN, since no later infinity says more.
    """
    last = values[-1]
    for value in reversed(values):
        if math.isfinite(value):
            break
        last = math.nan if math.isnan(value) else last
    return last


def short(value: float, digits: int) -> str:
    """The value in a table, with so many significant digits: "0.25", "nan", "inf" or "-inf"."""
    return f"{value:.{digits}g}"
