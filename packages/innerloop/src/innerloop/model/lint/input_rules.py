"""Inputs and outputs whose names, types, modes or values Azure ML refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

from ...util.errors import did_you_mean
from ..jobs.job import DATA_TYPES, LITERAL_TYPES, Job
from .finding import Finding, mapping_of, refused

_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_INPUT_MODES = ("ro_mount", "download", "direct")
_TABLE_MODES = (*_INPUT_MODES, "eval_mount", "eval_download")
_OUTPUT_MODES = ("rw_mount", "mount", "upload", "direct")
# azureml:name:version or azureml:name@label
VERSIONED = re.compile(r"azureml:[^:@/]+(?::[^:@/]+|@[^:@/]+)")


def check_inputs(job: Job, *, step: bool) -> Iterator[Finding]:
    for name in job.inputs:
        yield from _input(job, name, step)
    for name in job.outputs:
        yield from _output(job, name, step)


def _input(job: Job, name: str, step: bool) -> Iterator[Finding]:
    one, path = job.inputs[name], ("inputs", name)
    # a step's input may be a member of a group: group.member
    if not all(_KEY.fullmatch(part) for part in (name.split(".") if step else [name])):
        what = f'the input name "{name}" is refused: letters, digits and _ only'
        yield refused(job, path, what, f'Call it "{_key(name)}"', "bad-input-name")
    if not step:
        yield from check_input_form(job, name)
    if one.kind == "literal":
        yield from _literal(job, name)
        return
    if one.type not in (*DATA_TYPES, "path", ""):
        yield refused(
            job,
            (*path, "type"),
            f'the type of input "{name}" is {one.type}',
            did_you_mean(one.type, [*DATA_TYPES, *LITERAL_TYPES[:4]]),
        )
    data = one.path or ""
    if re.match(r"azureml:(?!/)", data) and not VERSIONED.fullmatch(data):
        what = f'the data of input "{name}" have neither a version nor a label: {data}'
        hint = f"Write {data}:1, or {data}@latest"
        yield refused(job, (*path, "path"), what, hint, "no-version")


def check_input_form(job: Job, name: str) -> Iterator[Finding]:
    """What a job's file, or a step's own lines, say of an input that only a component may say."""
    one, path = job.inputs[name], ("inputs", name)
    given = mapping_of(job.document.get("inputs")).get(name)
    if not isinstance(given, dict):
        return
    mode = given.get("mode")
    modes = _TABLE_MODES if one.type == "mltable" else _INPUT_MODES
    if mode is not None and one.kind == "data" and str(mode).lower() not in modes:
        what = f'the mode of input "{name}" is {mode}'
        yield refused(job, (*path, "mode"), what, f"Write one of {', '.join(modes)}")
    value = given.get("value")
    if one.kind == "literal" and isinstance(value, (int, float)) and str(value) != one.literal_text:
        what = f'the value of input "{name}" is {value}, and azure-ai-ml sends {one.literal_text}'
        hint = f"Write {name}: {value}, without value:"
        yield Finding(job.where(*path, "value"), what, hint, "value-cut-off", "hint")
    if one.kind == "literal" and one.value is not None and "type" in given:
        what = f'the input "{name}" has a type and no data: only a component takes that'
        hint = f"Write {name}: and the value alone"
        yield refused(job, path, what, hint, "typed-literal")


def _literal(job: Job, name: str) -> Iterator[Finding]:
    one, path = job.inputs[name], ("inputs", name)
    if one.value is None:
        if not one.optional and not one.origin:  # what a pipeline lacks is said of the pipeline
            yield Finding(
                job.where(*path),
                f'the input "{name}" has no value',
                f"Give it one, here or with --set inputs.{name}=VALUE",
                "no-value",
            )
        return
    if isinstance(one.value, float) and not isfinite(one.value):
        what = f'Azure ML takes no {one.literal_text} for input "{name}"'
        yield refused(job, path, what, "Put it in quotes", "bad-literal")
    elif not isinstance(one.value, (str, int, float, bool, bytes)):
        what = f'Azure ML takes no {type(one.value).__name__} for input "{name}"'
        yield refused(job, path, what, f"Put it in quotes: '{one.value}'", "bad-literal")
    elif not re.search(r"[a-zA-Z0-9_]", one.literal_text):
        what = f'the input "{name}" is "{one.literal_text}", and Azure ML refuses a value without '
        yield refused(job, path, f"{what}any letter or digit", "Give it one", "empty-literal")
    elif isinstance(one.value, str) and re.match(r"(azureml:|wasbs?://|abfss?://)", one.value):
        yield Finding(
            job.where(*path),
            f'the input "{name}" is the text "{one.value}": the program gets it as it is, and no '
            "data",
            "Write path: below it, with type: uri_folder or uri_file, if data are meant",
            "data-as-text",
            "hint",
        )


def _output(job: Job, name: str, step: bool) -> Iterator[Finding]:
    one, path = job.outputs[name], ("outputs", name)
    if not _KEY.fullmatch(name):
        what = f'the output name "{name}" is refused: letters, digits and _ only'
        yield refused(job, path, what, f'Call it "{_key(name)}"', "bad-output-name")
    if one.type not in (*DATA_TYPES, *(("path", *LITERAL_TYPES) if step else ())):
        what = f'the type of output "{name}" is {one.type}'
        yield refused(job, (*path, "type"), what, did_you_mean(one.type, list(DATA_TYPES)))
    if one.mode is not None and one.mode.lower() not in _OUTPUT_MODES:
        what = f'the mode of output "{name}" is {one.mode}'
        yield refused(job, (*path, "mode"), what, f"Write one of {', '.join(_OUTPUT_MODES)}")
    if one.path is not None and not one.path.startswith(("azureml:", "${{")):
        what = f'the output "{name}" has the path {one.path}, and Azure ML takes no local one'
        hint = "Remove it, or write azureml://datastores/NAME/paths/..."
        yield refused(job, (*path, "path"), what, hint, "local-output")


def _key(name: str) -> str:
    return re.sub(r"\W+", "_", name, flags=re.ASCII).lstrip("0123456789") or "value"
