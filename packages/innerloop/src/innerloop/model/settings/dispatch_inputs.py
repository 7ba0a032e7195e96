"""What a person may change when they start an experiment by hand: a job's inputs as the fields of
a form, and what was filled in as overrides of the job."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...util.errors import UsageError, did_you_mean
from ..jobs.job import Input, Job
from ..jobs.overrides import as_set
from .schedules import Schedule

_NUMBERS = ("number", "integer", "float", "int")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_TRUTHS = ("boolean", "bool")


@dataclass(frozen=True, slots=True)
class Field:
    """`kind`: "string" (data are chosen by their address), "number" or "boolean". `default` is what
    stands in the job, None where nothing does. `options`: the values to choose from, () for any."""

    name: str
    kind: str
    default: Any
    options: tuple[Any, ...] = ()

    @property
    def is_literal(self) -> bool:
        """Whether an orchestrator shows its values as they are; what looks like one of its
        expressions, it would evaluate."""
        return not any("${{" in str(one) for one in (self.default, *self.options))


def fields(job: Job, schedule: Schedule) -> tuple[Field, ...]:
    """One for each input; `job` with the schedule's overrides in it, so that what is shown first is
    what the schedule starts."""
    return tuple(
        Field(one.name, kind_of(one), default_of(one), schedule.allowed.get(one.name, ()))
        for one in job.inputs.values()
    )


def text_of(value: Any) -> str:
    """A value as a form shows it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind_of(one: Input) -> str:
    if one.kind == "literal":
        if one.type.lower() in _TRUTHS or (not one.type and isinstance(one.value, bool)):
            return "boolean"
        if one.type.lower() in _NUMBERS or (not one.type and isinstance(one.value, (int, float))):
            return "number"
    return "string"


def default_of(one: Input) -> Any:
    return one.value if one.kind == "literal" else one.path


def fits(value: Any, one: Input) -> bool:
    """Whether a value is of the input's kind."""
    kind = kind_of(one)
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, bool if kind == "boolean" else (int, float)) and (
        isinstance(value, bool) == (kind == "boolean")
    )


def sets_of(text: str, job: Job, allowed: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    """`--set` for each input in a JSON object of names and values, as an orchestrator hands on what
    a person filled in: numbers and truth values may be text, and what was left empty stays as it
    is in the job. A `UsageError` names what the job does not have or does not take."""
    for name, given in _object(text).items():
        one = job.inputs.get(name)
        if one is None:
            hint = did_you_mean(name, list(job.inputs))
            raise UsageError(
                f'--inputs: the job has no input "{name}"', code="input-undeclared", hint=hint
            )
        if given in (None, ""):
            continue
        value = _typed(given, one)
        if name in allowed and value not in allowed[name]:
            choice = ", ".join(map(str, allowed[name]))
            raise UsageError(
                f"--inputs: {name} = {given} is not allowed",
                code="value-not-allowed",
                hint=f"Choose of {choice}",
            )
        yield as_set(f"inputs.{name}", value)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise UsageError(
            f"--inputs is no JSON: {error}", code="inputs-invalid", hint='Write {"epochs": 16}'
        ) from error
    if value is None:  # how a runner writes that there are none
        return {}
    if not isinstance(value, dict):
        raise UsageError(
            "--inputs is no JSON object", code="inputs-invalid", hint='Write {"epochs": 16}'
        )
    return value


def _typed(given: Any, one: Input) -> Any:
    kind = kind_of(one)
    if isinstance(given, (dict, list)):
        raise UsageError(f"--inputs: {one.name} is no single value", code="inputs-invalid")
    if kind == "string":
        return given if isinstance(given, str) else json.dumps(given)
    text = str(given).strip()
    if kind == "boolean":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif len(text) < 1000 and _NUMBER.fullmatch(text):
        if text.lstrip("+-").isdigit():
            return int(text)
        if math.isfinite(number := float(text)):
            return number
    raise UsageError(
        f"--inputs: {one.name} = {given} is no {kind}",
        code="inputs-invalid",
        hint=f"Its value is {one.value}",
    )
