"""Steps of a pipeline whose names, keys or forms Azure ML's client refuses.

What a step says of its inputs, its environment and so on is checked as any job's is; here is what
holds for steps alone. Source: the schemas of azure-ai-ml 1.35 for the nodes of a pipeline job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...util.errors import did_you_mean
from ..jobs.job import DATA_TYPES, Job
from ..jobs.known_keys import COMPONENT_INPUT
from ..jobs.pipeline import PREVIEWS, Pipeline, Step
from .finding import Finding, mapping_of, refused
from .input_rules import check_input_form
from .value_rules import check_keys, check_tags

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def check_steps(job: Job, made: Pipeline) -> Iterator[Finding]:
    """All of a pipeline's own steps; those of a pipeline component stand in a file of theirs."""
    for name, body in mapping_of(job.document.get("jobs")).items():
        if not _NAME.fullmatch(str(name)):
            what = f'the step name "{name}" is refused: small letters, digits and _, no digit first'
            yield refused(job, ("jobs", str(name)), what, f'Call it "{_clean(str(name))}"', _BAD)
        if mapping_of(body).get("type") in PREVIEWS:
            what = "Azure ML's client takes if_else, do_while and parallel_for in a preview alone"
            hint = "Set AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED=true, or write it without such a step"
            yield Finding(job.where("jobs", str(name), "type"), what, hint, "preview", "hint")
        step = next((one for one in made.steps if one.name == str(name)), None)
        if isinstance(body, dict) and step is not None and step.problem is None:
            yield from _step(job, step, body)


_BAD = "bad-step-name"


def _step(job: Job, step: Step, body: Mapping[str, Any]) -> Iterator[Finding]:
    at = ("jobs", step.name)
    if str(body.get("type")).lower() in ("component", "component_job"):
        what = "type is component, a form that Azure ML no longer takes"
        yield refused(job, (*at, "type"), what, "Write type: command")
    if step.job.kind == "command" and body.get("component") is None:
        one = replace(step.job, document=body)
        yield from check_keys(one)
        yield from check_tags(one)
        for name in one.inputs:
            yield from check_input_form(one, name)
        if body.get("environment") is None:
            yield _without_environment(job, step)
    elif isinstance(body.get("component"), str):
        yield from _component(step.job)


def _without_environment(job: Job, step: Step) -> Finding:
    what = f'the step "{step.name}" has no environment'
    hint = "Write environment: below it"
    if mapping_of(job.document.get("settings")).get("environment") is not None:
        hint = "Azure ML takes none from settings: write environment: below each step"
    return refused(job, ("jobs", step.name), what, hint, "no-environment")


def _component(job: Job) -> Iterator[Finding]:
    """What a component's own file says (`job` is read from it)."""
    written = job.text.value
    if isinstance(written.get("code"), dict):
        what = "code is a mapping, a form that Azure ML no longer takes"
        yield refused(job, ("code",), what, "Write code: . or the folder's path")
    yield from _declared(job, written)
    if written.get("environment") is None:
        where = job.text.where("command")
        what = "the component has no environment"
        yield Finding(where, what, "Write environment: in it", "no-environment", "azure")


def _declared(job: Job, written: Mapping[str, Any]) -> Iterator[Finding]:
    """What a component declares: stricter than what a job gives."""
    for name, rule in mapping_of(written.get("inputs")).items():
        path = ("inputs", str(name))
        kind = mapping_of(rule).get("type")
        if kind is not None and kind not in _TYPES:
            what = f'the type of input "{name}" is {kind}'
            nearby = _TODAY.get(str(kind).lower()) or did_you_mean(str(kind).lower(), [*_TYPES])
            yield refused(job, (*path, "type"), what, nearby)
        for key in mapping_of(rule):
            if key not in (*COMPONENT_INPUT, "values"):
                what = f'Azure ML knows no "inputs.{name}.{key}"'
                hint = did_you_mean(str(key), [*COMPONENT_INPUT])
                yield refused(job, (*path, str(key)), what, hint, "unknown-key")
    for name, rule in mapping_of(written.get("outputs")).items():
        if rule is None:
            what = f'the output "{name}" of a component says nothing'
            yield refused(job, ("outputs", str(name)), what, "Write type: uri_folder below it")


_TYPES = ("string", "number", "integer", "boolean", "group", "path", *DATA_TYPES)
_TODAY = {"float": "Write type: number", "int": "Write type: integer", "bool": "Write type: boolean",
          "str": "Write type: string"}  # fmt: skip


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).lstrip("0123456789") or "step"
