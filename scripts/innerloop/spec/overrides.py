"""`--set inputs.epochs=2` on top of a job file: one value changed, nothing written to disk."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from ..errors import WrongUse, nearest
from .job import Job, job_of

# Parts of a job that may be set although the file does not have them.
_KNOWN = (
    "inputs", "outputs", "command", "code", "compute", "environment", "environment_variables",
    "resources", "limits", "distribution", "experiment_name", "display_name", "description", "tags",
)  # fmt: skip


def override(job: Job, sets: Sequence[str]) -> Job:
    """The job with each `a.b=value` applied, in order; a value is read as YAML (`2` is a number).

    A key that the job does not have is a `WrongUse` that names the nearest; a new tag or
    environment variable is fine.
    """
    document: dict[str, Any] = copy.deepcopy(dict(job.document))
    for one in sets:
        path, sign, text = one.partition("=")
        keys = path.strip().split(".")
        if not sign or not all(keys):
            raise WrongUse(
                f"--set {one} is not of the form a.b=value", mend="Write --set inputs.epochs=2"
            )
        _set(document, keys, _value(text), one)
    return job_of(replace(job.text, value=document))


def _set(document: dict[str, Any], keys: list[str], value: Any, said: str) -> None:
    here: dict[str, Any] = document
    for depth, key in enumerate(keys[:-1]):
        known = [*map(str, here), *(_KNOWN if depth == 0 else ())]
        if key not in known:
            raise WrongUse(f'--set {said}: the job has no "{key}"', mend=nearest(key, known))
        below = here.get(key)
        if not isinstance(below, dict):
            below = here[key] = {}
        here = below
    last = keys[-1]
    free = len(keys) > 1 and keys[0] in (
        "tags",
        "environment_variables",
        "resources",
        "limits",
        "outputs",
    )
    known = [*map(str, here), *(_KNOWN if len(keys) == 1 else ())]
    if last not in known and not free:
        raise WrongUse(
            f'--set {said}: the job has no "{".".join(keys)}"', mend=nearest(last, known)
        )
    old = here.get(last)
    is_data = keys[0] == "inputs" and len(keys) == 2 and isinstance(old, dict) and "path" in old
    here[last] = {**old, "path": value} if is_data and isinstance(old, dict) else value


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError:
        return text
