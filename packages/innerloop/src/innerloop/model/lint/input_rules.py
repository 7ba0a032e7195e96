"""Inputs and outputs whose names, types, modes or values Azure ML refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

from ...util.errors import close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ..jobs.job import DATA_TYPES, LITERAL_TYPES, Job
from .finding import INFO, Finding, mapping_of, refused
from .fixes import other_value

_KEY = late_pattern(r"[a-zA-Z_][a-zA-Z0-9_]*")
_INPUT_MODES = ("ro_mount", "download", "direct")
_TABLE_MODES = (*_INPUT_MODES, "eval_mount", "eval_download")
_OUTPUT_MODES = ("rw_mount", "mount", "upload", "direct")
# azureml:name:version or azureml:name@label
VERSIONED = late_pattern(r"azureml:[^:@/]+(?::[^:@/]+|@[^:@/]+)")


def check_inputs(job: Job, *, step: bool) -> Iterator[Finding]:
    for name in job.inputs:
        yield from _input(job, name, step)
    for name in job.outputs:
        yield from _output(job, name, step)


def _input(job: Job, name: str, step: bool) -> Iterator[Finding]:
    input_, path = job.inputs[name], ("inputs", name)
    # a step's input may be a member of a group: group.member
    if not all(_KEY.fullmatch(part) for part in (name.split(".") if step else [name])):
        message = f'the input name "{name}" is refused: use only letters, digits and _'
        yield refused(job, path, message, f'Call it "{_key(name)}"', "name-refused")
    if not step:
        yield from check_input_form(job, name)
    if input_.kind == "literal":
        yield from _literal(job, name, step)
        return
    if input_.type not in (*DATA_TYPES, "path", ""):
        message = f'the type of input "{name}" is {input_.type}'
        known = [*DATA_TYPES, *LITERAL_TYPES[:4]]
        hint = did_you_mean(input_.type, known)
        fixes = other_value(job, (*path, "type"), close_words(input_.type, known))
        yield refused(job, (*path, "type"), message, hint, "not-a-choice", fixes)
    data = input_.path or ""
    if re.match(r"azureml:(?!/)", data) and not VERSIONED.fullmatch(data):
        message = f'the data of input "{name}" have neither a version nor a label: {data}'
        hint = "Write azureml:NAME:VERSION, or azureml:NAME@latest"
        values: tuple[str, ...] = ()
        if re.fullmatch(r"azureml:[^:@/]+", data):
            hint = f"Write {data}:1, or {data}@latest"
            values = (f"{data}@latest", f"{data}:1")
        fixes = other_value(job, (*path, "path"), values)
        yield refused(job, (*path, "path"), message, hint, "version-missing", fixes)
    elif data.startswith("azureml:") and data.endswith(":latest"):
        message = f"{data} is a version with the name latest, not the latest version"
        hint = f"Write {data.removesuffix(':latest')}@latest"
        fixes = other_value(job, (*path, "path"), (f"{data.removesuffix(':latest')}@latest",))
        yield Finding(job.where(*path, "path"), message, hint, "version-missing", INFO, fixes)


def check_input_form(job: Job, name: str) -> Iterator[Finding]:
    """Forms of an input in a job, or a step, that only a component may have."""
    input_, path = job.inputs[name], ("inputs", name)
    written = mapping_of(job.document.get("inputs")).get(name)
    if not isinstance(written, dict):
        return
    mode = written.get("mode")
    modes = _TABLE_MODES if input_.type == "mltable" else _INPUT_MODES
    if mode is not None and input_.kind == "data" and str(mode).lower() not in modes:
        message = f'the mode of input "{name}" is {mode}'
        hint = f"Write one of {', '.join(modes)}"
        fixes = other_value(job, (*path, "mode"), modes)
        yield refused(job, (*path, "mode"), message, hint, "not-a-choice", fixes)
    value = written.get("value")
    if (
        input_.kind == "literal"
        and isinstance(value, (int, float))
        and str(value) != input_.literal_text
    ):
        message = (
            f'the value of input "{name}" is {value}, and azure-ai-ml sends {input_.literal_text}'
        )
        hint = f"Write {name}: {value}, without value:"
        yield Finding(job.where(*path, "value"), message, hint, "value-truncated", INFO)
    if input_.kind == "literal" and input_.value is not None and "type" in written:
        message = f'the input "{name}" has a type and no data: only a component\'s input may'
        hint = f"Write {name}: and the value alone"
        yield refused(job, path, message, hint, "input-literal-typed")


def _literal(job: Job, name: str, step: bool) -> Iterator[Finding]:
    input_, path = job.inputs[name], ("inputs", name)
    if input_.value is None:
        if not input_.optional and not input_.origin:  # an origin is reported at the pipeline
            yield Finding(
                job.where(*path),
                f'the input "{name}" has no value',
                f"Give it one, here or with --set inputs.{name}=VALUE",
                "input-without-value",
            )
        return
    if isinstance(input_.value, float) and not isfinite(input_.value):
        message = f'Azure ML refuses {input_.literal_text} for input "{name}"'
        yield refused(job, path, message, "Put it in quotes", "literal-unsupported")
    elif not isinstance(input_.value, (str, int, float, bool, bytes)):
        message = f'Azure ML refuses a {type(input_.value).__name__} for input "{name}"'
        yield refused(
            job, path, message, f"Put it in quotes: '{input_.value}'", "literal-unsupported"
        )
    elif not step and not re.search(r"[a-zA-Z0-9_]", input_.literal_text):  # a step's may be []
        message = f'the input "{name}" is "{input_.literal_text}", without a letter or a digit'
        yield refused(job, path, message, "Write a value with one", "literal-empty")
    elif isinstance(input_.value, str) and re.match(
        r"(azureml:|wasbs?://|abfss?://)", input_.value
    ):
        yield Finding(
            job.where(*path),
            f'the input "{name}" is the text "{input_.value}": the program gets the text, not data',
            "For data, write path: below it, with type: uri_folder or uri_file",
            "data-as-text",
            INFO,
        )


def _output(job: Job, name: str, step: bool) -> Iterator[Finding]:
    output, path = job.outputs[name], ("outputs", name)
    if not _KEY.fullmatch(name):
        message = f'the output name "{name}" is refused: use only letters, digits and _'
        yield refused(job, path, message, f'Call it "{_key(name)}"', "name-refused")
    if output.type not in (*DATA_TYPES, *(("path", *LITERAL_TYPES) if step else ())):
        message = f'the type of output "{name}" is {output.type}'
        hint = did_you_mean(output.type, list(DATA_TYPES))
        fixes = other_value(job, (*path, "type"), close_words(output.type, list(DATA_TYPES)))
        yield refused(job, (*path, "type"), message, hint, "not-a-choice", fixes)
    if output.mode is not None and output.mode.lower() not in _OUTPUT_MODES:
        message = f'the mode of output "{name}" is {output.mode}'
        hint = f"Write one of {', '.join(_OUTPUT_MODES)}"
        fixes = other_value(job, (*path, "mode"), _OUTPUT_MODES)
        yield refused(job, (*path, "mode"), message, hint, "not-a-choice", fixes)
    if output.path is not None and not output.path.startswith(("azureml:", "${{")):
        message = f'the output "{name}" has the local path {output.path}, which Azure ML refuses'
        hint = "Remove it, or write azureml://datastores/NAME/paths/..."
        yield refused(job, (*path, "path"), message, hint, "output-path-local")


def _key(name: str) -> str:
    return re.sub(r"\W+", "_", name, flags=re.ASCII).lstrip("0123456789") or "value"
