"""`--set inputs.epochs=2` on top of a job file: one value changed, nothing written to disk."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from ...util import yaml_text
from ...util.errors import UsageError, did_you_mean
from ...util.yaml_scalars import scalar
from ...util.yaml_text import YamlText
from .job import DATA_TYPES, LITERAL_TYPES, Job, job_kind, job_of
from .known_keys import BELOW, FREE, known_below


def override(job: Job, sets: Sequence[str]) -> Job:
    """The job with each `a.b=value` applied, in order; a value is read as YAML (`2` is a number).

    A key that neither the job nor Azure ML knows is a `UsageError` that names the nearest; a new
    tag, output or environment variable is fine.
    """
    return job_of(overridden(job.text, job.kind, sets)) if sets else job


def parse_job_with(text: str, name: str, sets: Sequence[str]) -> Job:
    """As `override(parse_job(text, name), sets)`, also where only a set makes the job whole (an
    input without a value)."""
    parsed = yaml_text.parse(text, name)
    if isinstance(parsed.value, dict) and sets:
        parsed = overridden(parsed, job_kind(parsed), sets)
    return job_of(parsed)


def overridden(parsed: YamlText, kind: str, sets: Sequence[str]) -> YamlText:
    """The parsed text with other values; places are those of the file."""
    document: dict[str, Any] = copy.deepcopy(parsed.value)
    for one in sets:
        path, sign, text = one.partition("=")
        keys = path.strip().split(".")
        if not sign or not all(keys):
            raise UsageError(
                f"--set {one} is not of the form a.b=value",
                code="override-invalid",
                hint="Write --set inputs.epochs=2",
            )
        _set(document, kind, keys, text if _is_text(keys) else _value(text), one)
    return replace(parsed, value=document)


def as_set(path: str, value: Any) -> str:
    """The words that `--set` takes for a value that is known already: read again, it is the same
    (text that YAML would take for a number or a truth value is quoted)."""
    if _is_text(path.split(".")):
        return f"{path}={value}"
    return f"{path}={scalar(value)}"


def _is_text(keys: Sequence[str]) -> bool:
    """Whether Azure ML has only text there."""
    return len(keys) > 1 and keys[-2] in ("environment_variables", "tags", "properties")


def _set(document: dict[str, Any], kind: str, keys: list[str], value: Any, said: str) -> None:
    here: Any = document
    for depth in range(len(keys) - 1):
        here = _step(here, kind, keys, depth, said)
        if not isinstance(here, (dict, list)):
            raise UsageError(
                f'--set {said}: "{".".join(keys[: depth + 1])}" is a single value: {here}',
                code="override-invalid",
                hint=f"Write --set {'.'.join(keys[: depth + 1])}=VALUE",
            )
    if not _is_of_component(document, keys):
        _require(here, kind, keys, len(keys) - 1, said)
    last: Any = int(keys[-1]) if isinstance(here, list) else _own(here, keys[-1])
    old = here[last] if isinstance(here, list) else here.get(last)
    parent = keys[-2] if len(keys) > 1 else ""
    here[last] = _input(old, value) if parent == "inputs" else value


def _is_of_component(document: dict[str, Any], keys: list[str]) -> bool:
    """An input of a step whose component, in a file of its own, knows the names."""
    if len(keys) != 4 or (keys[0], keys[2]) != ("jobs", "inputs"):
        return False
    step = document["jobs"].get(keys[1])
    return isinstance(step, dict) and ("component" in step or isinstance(step.get("trial"), str))


def _step(here: Any, kind: str, keys: list[str], depth: int, said: str) -> Any:
    """The value below one key; an empty mapping is made where Azure ML knows the key."""
    _require(here, kind, keys, depth, said)
    if isinstance(here, list):
        return here[int(keys[depth])]
    key = _own(here, keys[depth])
    if here.get(key) is None:
        here[key] = {}
    return here[key]


def _require(here: Any, kind: str, keys: list[str], depth: int, said: str) -> None:
    key, path = keys[depth], tuple(keys[:depth])
    if isinstance(here, list):
        if not key.isdigit() or int(key) >= len(here):
            raise UsageError(
                f'--set {said}: "{".".join(path)}" is a list of {len(here)}',
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
            hint = f"It stands in the trial: write --set trial.{said}"
        raise UsageError(
            f'--set {said}: the job has no "{".".join(keys[: depth + 1])}"',
            code="key-unknown",
            hint=hint,
        )


def _own(here: dict[Any, Any], key: str) -> Any:
    """The mapping's own key for a word: YAML may have read it as a number."""
    return next((own for own in here if str(own) == key), key)


def _input(old: Any, value: Any) -> Any:
    """An input that is written as a mapping stays one: its path or its value changes."""
    if not isinstance(old, dict) or isinstance(value, dict):
        return value
    kind = str(old.get("type", "")).lower()
    if kind in LITERAL_TYPES or "value" in old:
        rest = {key: one for key, one in old.items() if key != "default"}
        return {**rest, "value": value}
    if kind in DATA_TYPES or "path" in old or "mode" in old:
        return {**old, "path": value}
    return value


def _value(text: str) -> Any:
    """As YAML reads it; what is neither text, number, truth value, list nor mapping stays text."""
    try:
        value = yaml.safe_load(text) if text.strip() else text
    except (yaml.YAMLError, ValueError):
        return text
    plain = value is None or isinstance(value, (str, int, float, bool, list, dict))
    return value if plain else text
