"""Steps of a pipeline whose names, keys or forms Azure ML's client refuses.

A step's inputs, environment and so on are checked as those of any job; these rules are for steps
only. Source: the schemas of azure-ai-ml 1.35 for the nodes of a pipeline job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...util.errors import close_words, did_you_mean
from ...util.json_records import is_file_name
from ...util.late_patterns import late_pattern
from ..jobs.component import flat_inputs
from ..jobs.job import DATA_TYPES, Input, Job
from ..jobs.known_keys import COMPONENT_INPUT
from ..jobs.pipeline import PREVIEWS, Pipeline, Step
from .finding import INFO, WARNING, Finding, mapping_of, refused
from .fixes import other_key, other_value
from .input_rules import check_input_form
from .sweep_rules import check_sweep
from .value_rules import check_keys, check_sweep_keys, check_tags

_NAME = late_pattern(r"[a-z_][a-z0-9_]*")


def check_steps(job: Job, pipeline: Pipeline) -> Iterator[Finding]:
    """All of a pipeline's own steps; those of a pipeline component are in a file of their own."""
    for name, body in mapping_of(job.document.get("jobs")).items():
        if not is_file_name(str(name)) or str(name).startswith("."):
            message = f'the step name "{name}" cannot be the name of a folder'
            hint = f'Call it "{_clean(str(name))}"'
            yield Finding(job.where("jobs", str(name)), message, hint, "name-unusable")
        elif not _NAME.fullmatch(str(name)):
            message = f'the step name "{name}" is refused: lower-case letters, digits and _, no digit first'
            hint = f'Call it "{_clean(str(name))}"'
            yield refused(job, ("jobs", str(name)), message, hint, "name-refused")
        kind, component = mapping_of(body).get("type"), mapping_of(body).get("component")
        if kind == "pipeline" and component is None:
            message = f'the step "{name}" is a pipeline without a component'
            hint = "Write component: ./FILE.yml, with the steps in that file"
            yield refused(job, ("jobs", str(name)), message, hint, "component-not-job")
        if isinstance(component, str) and re.fullmatch(r"azureml:[^:@/]+", component):
            message = f"the component has neither a version nor a label: {component}"
            hint = f"Write {component}:1, or {component}@latest"
            at = ("jobs", str(name), "component")
            yield refused(job, at, message, hint, "version-missing")
        if kind in PREVIEWS:
            message = (
                "Azure ML's client accepts if_else, do_while and parallel_for only in a preview"
            )
            hint = "Set AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED=true, or remove the step"
            position = job.where("jobs", str(name), "type")
            yield Finding(position, message, hint, "preview-feature", INFO)
        step = next((one for one in pipeline.steps if one.name == str(name)), None)
        if isinstance(body, dict) and step is not None and step.problem is None:
            yield from _step(job, step, body)


def _step(job: Job, step: Step, body: Mapping[str, Any]) -> Iterator[Finding]:
    at = ("jobs", step.name)
    if str(body.get("type")).lower() in ("component", "component_job"):
        message = "type is component, a form that Azure ML no longer accepts"
        yield refused(job, (*at, "type"), message, "Write type: command", "legacy-form")
    if step.job.kind == "sweep":
        yield from _sweep(job, step, body)
    if step.job.kind == "command" and body.get("component") is None:
        written = replace(step.job, document=body)
        yield from check_keys(written)
        yield from check_tags(written)
        for name in written.inputs:
            yield from check_input_form(written, name)
        for name, value in mapping_of(body.get("inputs")).items():
            if isinstance(value, dict) and not {"path", "value", "default"} & set(value):
                message = (
                    f'the input "{name}" of the step "{step.name}" has neither a value nor a path'
                )
                hint = "Write path: azureml:NAME:VERSION, a folder, or a plain value"
                path = (*at, "inputs", str(name))
                yield refused(job, path, message, hint, "input-without-value")
        if body.get("environment") is None:
            yield _without_environment(job, step)
    elif isinstance(body.get("component"), str):
        yield from _component(step.job)
        yield from _bound(job, step, body)


def _sweep(job: Job, step: Step, body: Mapping[str, Any]) -> Iterator[Finding]:
    """A step that is a sweep: its trial is a component, whose inputs get the values."""
    at = ("jobs", step.name)
    space = {str(name): one for name, one in mapping_of(body.get("search_space")).items()}
    written = replace(job, kind="sweep", document=body, at=at, search_space=space)
    yield from check_sweep_keys(written)
    yield from check_sweep(written)
    command = mapping_of(body.get("trial")).get("command")
    for name in re.findall(r"\$\{\{\s*search_space\.([^\s{}]+)", str(command or "")):
        text = "${{search_space." + name + "}}"
        message = f"{text} is refused in a pipeline: the trial there is a component"
        hint = (
            f"Write inputs: {{{name}: {{type: number}}}} below trial:, and ${{{{inputs.{name}}}}}"
        )
        yield refused(job, (*at, "trial", "command"), message, hint, "reference-unknown")


def _without_environment(job: Job, step: Step) -> Finding:
    message = f'the step "{step.name}" has no environment'
    hint = "Write environment: below it"
    if mapping_of(job.document.get("settings")).get("environment") is not None:
        hint = "Azure ML ignores settings.environment: write environment: below each step"
    return refused(job, ("jobs", step.name), message, hint, "environment-missing")


def _component(job: Job) -> Iterator[Finding]:
    """The component's own file, which `job` is read from."""
    written = job.text.value
    if isinstance(written.get("code"), dict):
        message = "code is a mapping, a form that Azure ML no longer accepts"
        yield refused(job, ("code",), message, "Write code: . or the folder's path", "legacy-form")
    yield from _declared(job, written)
    if written.get("environment") is None:
        yield Finding(
            job.text.where("command"),
            "the component has no environment",
            "Write environment: in it",
            "environment-missing",
            WARNING,
        )


def _bound(job: Job, step: Step, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Values of a step that its component's declaration does not allow."""
    written = step.job.text.value
    if not isinstance(written, dict):
        return
    at = ("jobs", step.name)
    declared = mapping_of(written.get("outputs"))
    for name in mapping_of(body.get("outputs")):
        if str(name) not in map(str, declared):
            message = f'the step "{step.name}" has the output "{name}", which its component lacks'
            known, path = list(map(str, declared)), (*at, "outputs", str(name))
            hint = did_you_mean(str(name), known)
            fixes = other_key(job, path, close_words(str(name), known))
            yield refused(job, path, message, hint, "output-undeclared", fixes)
    for name, declaration in flat_inputs(
        {str(key): one for key, one in mapping_of(written.get("inputs")).items()}
    ).items():
        input_ = step.job.inputs.get(name)
        if not isinstance(declaration, dict) or input_ is None or name not in _set(body):
            continue
        yield from _not_allowed(job, step, input_, declaration)


def _set(body: Mapping[str, Any]) -> set[str]:
    """The inputs that a step sets."""
    return {
        str(name) for name, value in mapping_of(body.get("inputs")).items() if value is not None
    }


def _not_allowed(
    job: Job, step: Step, input_: Input, declaration: Mapping[str, Any]
) -> Iterator[Finding]:
    """A literal that its declaration does not allow."""
    kind, text = str(declaration.get("type") or "").lower(), input_.literal_text
    if input_.kind != "literal" or input_.value is None or "${{" in text:
        return
    path = ("jobs", step.name, "inputs", input_.name)
    sets = f'the step "{step.name}" sets "{input_.name}" to {text}'
    pattern = _LITERALS.get(kind)
    if pattern is not None and not re.fullmatch(pattern, text, re.IGNORECASE):
        type_ = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        message, hint = f"{sets}, and the component declares {type_}", f"Write {type_}"
        yield refused(job, path, message, hint, "type-mismatch")
        return
    allowed = declaration.get("enum")
    if isinstance(allowed, list) and allowed and text not in map(str, allowed):
        message = f"{sets}, and the component allows {', '.join(map(str, allowed))}"
        fixes = other_value(job, path, map(str, allowed))
        yield refused(job, path, message, "Write one of them", "value-not-allowed", fixes)
    for key, word in (("min", "at least"), ("max", "at most")):
        limit = declaration.get(key) if kind in ("number", "integer") else None
        if not isinstance(limit, (int, float)) or isinstance(limit, bool):
            continue
        if float(text) < limit if key == "min" else float(text) > limit:
            message = f"{sets}, and the component allows {word} {limit}"
            hint = f"Write a number of {word} {limit}"
            yield refused(job, path, message, hint, "value-not-allowed")


# The texts that Azure ML reads as each type.
_LITERALS = {
    "integer": r"[-+]?[0-9]+(?:\.0*)?",
    "number": r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?",
    "boolean": r"true|false",
}


def _declared(job: Job, written: Mapping[str, Any]) -> Iterator[Finding]:
    """Declared inputs and outputs: Azure ML is stricter about them than about a job's."""
    for name, declaration in mapping_of(written.get("inputs")).items():
        path = ("inputs", str(name))
        type_ = mapping_of(declaration).get("type")
        if type_ is not None and type_ not in _TYPES:
            message = f'the type of input "{name}" is {type_}'
            lower = str(type_).lower()
            hint = _CURRENT_TYPES.get(lower) or did_you_mean(lower, [*_TYPES])
            words = [word for word in close_words(lower, [*_TYPES]) if word in hint]
            fixes = other_value(job, (*path, "type"), words)
            yield refused(job, (*path, "type"), message, hint, "not-a-choice", fixes)
        for key in mapping_of(declaration):
            if key not in (*COMPONENT_INPUT, "values"):
                message = f'Azure ML has no key "inputs.{name}.{key}"'
                hint = did_you_mean(str(key), [*COMPONENT_INPUT])
                fixes = other_key(job, (*path, str(key)), close_words(str(key), [*COMPONENT_INPUT]))
                yield refused(job, (*path, str(key)), message, hint, "key-unknown", fixes)
    for name, declaration in mapping_of(written.get("outputs")).items():
        if declaration is None:
            message = f'the output "{name}" of the component is empty'
            hint = "Write type: uri_folder below it"
            yield refused(job, ("outputs", str(name)), message, hint, "key-empty")


_TYPES = ("string", "number", "integer", "boolean", "group", "path", *DATA_TYPES)
_CURRENT_TYPES = {"float": "Write type: number", "int": "Write type: integer", "bool": "Write type: boolean",
          "str": "Write type: string"}  # fmt: skip


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).lstrip("0123456789") or "step"
