"""`--set inputs.epochs=2`: a value of a job file is overridden, and nothing is written to disk."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from ...util import yaml_text
from ...util.errors import UsageError, did_you_mean
from ...util.yaml_errors import is_text
from ...util.yaml_scalars import scalar
from ...util.yaml_text import YamlText
from .job import DATA_TYPES, LITERAL_TYPES, Job, job_kind, job_of
from .known_keys import BELOW, FREE, known_below


def override(job: Job, sets: Sequence[str]) -> Job:
    """The job with each `a.b=value` applied, in order; values are YAML (`2` is a number).

    Raises `UsageError` for a key that neither the job nor Azure ML has. New tags, outputs and
    environment variables are allowed.
    """
    return job_of(overridden(job.text, job.kind, sets)) if sets else job


def parse_job_with(text: str, name: str, sets: Sequence[str]) -> Job:
    """As `override(parse_job(text, name), sets)`, also if only an override makes the job valid.

    An example is an input without a value in the file.
    """
    parsed = yaml_text.parse(text, name)
    if isinstance(parsed.value, dict) and sets:
        parsed = overridden(parsed, job_kind(parsed), sets)
    return job_of(parsed)


def overridden(parsed: YamlText, kind: str, sets: Sequence[str]) -> YamlText:
    """The parsed text with the overrides; positions are those of the file."""
    document: dict[str, Any] = copy.deepcopy(parsed.value)
    for set_ in sets:
        path, sign, text = set_.partition("=")
        keys = path.strip().split(".")
        if not sign or not all(keys):
            raise UsageError(
                f"--set {set_} is not of the form a.b=value",
                code="override-invalid",
                hint="Write --set inputs.epochs=2",
            )
        value = text if _is_text(keys) else _value(text)
        if not is_text(value):
            raise UsageError(
                f"--set {set_}: the value contains a zero byte or half of a character",
                code="text-unusable",
                hint="Remove its escape",
            )
        _set(document, kind, keys, value, set_)
    return replace(parsed, value=document)


def as_set(path: str, value: Any) -> str:
    """The argument of `--set` for a value.

    It parses to the same value (a string that YAML would read as a number or a boolean is quoted).
    """
    if _is_text(path.split(".")):
        return f"{path}={value}"
    return f"{path}={scalar(value)}"


def _is_text(keys: Sequence[str]) -> bool:
    """Whether Azure ML has only strings there."""
    return len(keys) > 1 and keys[-2] in ("environment_variables", "tags", "properties")


def _set(document: dict[str, Any], kind: str, keys: list[str], value: Any, argument: str) -> None:
    here: Any = document
    for depth in range(len(keys) - 1):
        here = _step(here, kind, keys, depth, argument)
        if not isinstance(here, (dict, list)):
            raise UsageError(
                f'--set {argument}: "{".".join(keys[: depth + 1])}" is a single value: {here}',
                code="override-invalid",
                hint=f"Write --set {'.'.join(keys[: depth + 1])}=VALUE",
            )
    if not _is_of_component(document, keys):
        _require(here, kind, keys, len(keys) - 1, argument)
    last: Any = int(keys[-1]) if isinstance(here, list) else _own(here, keys[-1])
    old = here[last] if isinstance(here, list) else here.get(last)
    parent = keys[-2] if len(keys) > 1 else ""
    here[last] = _input(old, value) if parent == "inputs" else value


def _is_of_component(document: dict[str, Any], keys: list[str]) -> bool:
    """Whether the key is an input of a step whose component declares the names."""
    if len(keys) != 4 or (keys[0], keys[2]) != ("jobs", "inputs"):
        return False
    step = document["jobs"].get(keys[1])
    return isinstance(step, dict) and ("component" in step or isinstance(step.get("trial"), str))


def _step(here: Any, kind: str, keys: list[str], depth: int, argument: str) -> Any:
    """The value below one key; a new mapping if the key is missing and Azure ML has it."""
    _require(here, kind, keys, depth, argument)
    if isinstance(here, list):
        return here[int(keys[depth])]
    key = _own(here, keys[depth])
    if here.get(key) is None:
        here[key] = {}
    return here[key]


def _require(here: Any, kind: str, keys: list[str], depth: int, argument: str) -> None:
    key, path = keys[depth], tuple(keys[:depth])
    if isinstance(here, list):
        if not key.isdigit() or int(key) >= len(here):
            raise UsageError(
                f'--set {argument}: "{".".join(path)}" is a list of {len(here)}',
                code="override-invalid",
                hint=f"Number its items from 0 to {len(here) - 1}",
            )
        return
    present = [str(name) for name in here]
    known = list(dict.fromkeys([*present, *(known_below(kind, path) or ())]))
    free = path and (path[-1] in (*FREE, "outputs") or path[0] in FREE)
    if key not in known and not free:
        hint = did_you_mean(key, known)
        if kind == "sweep" and not path and key in BELOW["trial"]:
            hint = f"It is a key of the trial: write --set trial.{argument}"
        raise UsageError(
            f'--set {argument}: the job has no "{".".join(keys[: depth + 1])}"',
            code="key-unknown",
            hint=hint,
        )


def _own(here: dict[Any, Any], key: str) -> Any:
    """The mapping's key that is written like this: YAML may have parsed it as a number."""
    return next((own for own in here if str(own) == key), key)


def _input(old: Any, value: Any) -> Any:
    """The new input: a mapping stays a mapping, with another path or value."""
    if not isinstance(old, dict) or isinstance(value, dict):
        return value
    kind = str(old.get("type", "")).lower()
    if kind in LITERAL_TYPES or "value" in old:
        rest = {key: other for key, other in old.items() if key != "default"}
        return {**rest, "value": value}
    if kind in DATA_TYPES or "path" in old or "mode" in old:
        return {**old, "path": value}
    return value


def _value(text: str) -> Any:
    """The text parsed as YAML.

    A value that is not a string, number, boolean, list or mapping stays a string.
    """
    try:
        value = yaml.safe_load(text) if text.strip() else text
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    plain = value is None or isinstance(value, (str, int, float, bool, list, dict))
    return value if plain else text
