"""The results of pytest, from the JUnit XML that it writes. Pure."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Literal

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

State = Literal["passed", "failed", "errored", "skipped"]
_STATES: dict[str, State] = {"failure": "failed", "error": "errored", "skipped": "skipped"}
# The parameters of one case: all cases of a function have one name.
_PARAMETERS = late_pattern(r"\[.*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One case. `name` is of the module, the classes and the function: `tests.test_a.TestB.test_c`."""

    name: str
    state: State
    seconds: float
    message: str

    def as_json(self) -> dict[str, str | float]:
        return {
            "name": self.name,
            "state": self.state,
            "seconds": self.seconds,
            "message": self.message,
        }


def of_junit(text: str) -> tuple[TestResult, ...]:
    """The results in their order. A file that is no XML has none: tests can write anything there."""
    try:
        document = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return ()
    return tuple(_results(document))


def _results(document: ElementTree.Element) -> Iterator[TestResult]:
    for case in document.iter("testcase"):
        name = f"{case.get('classname', '')}.{_PARAMETERS.sub('', case.get('name', ''))}"
        found = next((part for part in case if part.tag in _STATES), None)
        state = "passed" if found is None else _STATES[found.tag]
        message = "" if found is None else found.text or found.get("message") or ""
        yield TestResult(name, state, _seconds(case.get("time", "")), message)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
