"""Inputs of a manual start (workflow_dispatch and its like).

They are a job's inputs as the fields of a form, and the form's values as overrides of the job.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ...util.errors import UsageError, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ..jobs.job import Input, Job
from ..jobs.overrides import as_set
from .schedules import Schedule

FieldKind = Literal["string", "number", "boolean"]
_NUMBERS = ("number", "integer", "float", "int")
_NUMBER = late_pattern(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_TRUTHS = ("boolean", "bool")


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` of data is "string": their address.

    `default` is the job's value, None if it has none. `options` are the allowed values, () for any.
    """

    name: str
    kind: FieldKind
    default: Any
    options: tuple[Any, ...] = ()

    @property
    def is_literal(self) -> bool:
        """Whether an orchestrator shows the values unchanged; it evaluates its own expressions."""
        return not any("${{" in str(value) for value in (self.default, *self.options))


def fields(job: Job, schedule: Schedule) -> tuple[Field, ...]:
    """One for each input.

    `job` has the schedule's overrides, so that the defaults are those of a scheduled start.
    """
    return tuple(
        Field(
            input_.name, kind_of(input_), default_of(input_), schedule.allowed.get(input_.name, ())
        )
        for input_ in job.inputs.values()
    )


def text_of(value: Any) -> str:
    """A value as forms show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind_of(input_: Input) -> FieldKind:
    if input_.kind == "literal":
        if input_.type.lower() in _TRUTHS or (not input_.type and isinstance(input_.value, bool)):
            return "boolean"
        if input_.type.lower() in _NUMBERS or (
            not input_.type and isinstance(input_.value, (int, float))
        ):
            return "number"
    return "string"


def default_of(input_: Input) -> Any:
    return input_.value if input_.kind == "literal" else input_.path


def fits(value: Any, input_: Input) -> bool:
    """Whether a value has the input's kind."""
    kind = kind_of(input_)
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, bool if kind == "boolean" else (int, float)) and (
        isinstance(value, bool) == (kind == "boolean")
    )


def sets_of(text: str, job: Job, allowed: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    """`--set` for each input in a JSON object of names and values, as orchestrators pass a form.

    Numbers and booleans may be strings, and empty values are ignored. Raises `UsageError` for
    unknown inputs and invalid values.
    """
    for name, entry in _object(text).items():
        input_ = job.inputs.get(name)
        if input_ is None:
            hint = did_you_mean(name, list(job.inputs))
            raise UsageError(
                f'--inputs: the job has no input "{name}"', code="input-undeclared", hint=hint
            )
        if entry in (None, ""):
            continue
        value = _typed(entry, input_)
        if name in allowed and value not in allowed[name]:
            choice = ", ".join(map(str, allowed[name]))
            raise UsageError(
                f"--inputs: {name} = {entry} is not allowed",
                code="value-not-allowed",
                hint=f"Write one of {choice}",
            )
        yield as_set(f"inputs.{name}", value)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise UsageError(
            f"--inputs is not JSON: {error}", code="inputs-invalid", hint='Write {"epochs": 16}'
        ) from error
    if value is None:  # how some runners write no inputs
        return {}
    if not isinstance(value, dict):
        raise UsageError(
            "--inputs is not a JSON object", code="inputs-invalid", hint='Write {"epochs": 16}'
        )
    return value


def _typed(entry: Any, input_: Input) -> Any:
    kind = kind_of(input_)
    if isinstance(entry, (dict, list)):
        raise UsageError(f"--inputs: {input_.name} is not a single value", code="inputs-invalid")
    if kind == "string":
        return entry if isinstance(entry, str) else json.dumps(entry)
    text = str(entry).strip()
    if kind == "boolean":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif len(text) < 1000 and _NUMBER.fullmatch(text):
        if text.lstrip("+-").isdigit():
            return int(text)
        if math.isfinite(number := float(text)):
            return number
    raise UsageError(
        f"--inputs: {input_.name} = {entry} is not a {kind}",
        code="inputs-invalid",
        hint=f"Its value is {input_.value}",
    )
