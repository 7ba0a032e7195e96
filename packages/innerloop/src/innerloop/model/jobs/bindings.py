"""What a step's input is bound to: a literal, data, or an output of another step.

Source: CLI (v2) pipeline job YAML schema, `${{parent.inputs.x}}` and
`${{parent.jobs.step.outputs.x}}`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...util.errors import UserError, close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ...util.yaml_text import YamlText
from .job import Input, Reading

Source = tuple[str, str]
"""A step's full name and its output."""


@dataclass(frozen=True, slots=True)
class OutputPart:
    """The file or folder at `path` ("/a.csv") in another step's output."""

    source: Source
    path: str


Bound = Input | Source | OutputPart
_BINDING = late_pattern(
    r"^\$\{\{\s*(?:parent\.)?(?:inputs\.(?P<input>[\w.-]+)"
    r"|jobs\.(?P<step>[\w-]+)\.outputs\.(?P<output>[\w-]+))\s*\}\}$"
)
_PARENT_OUTPUT = late_pattern(r"^\$\{\{\s*(?:parent\.)?outputs\.(?P<output>[\w-]+)\s*\}\}$")
_PARENT_INPUT = late_pattern(r"\$\{\{\s*parent\.inputs\.(?P<input>[\w.-]+)\s*\}\}")
# A binding with more text around it: extra_${{parent.inputs.name}}, ${{parent.inputs.raw}}/a.csv
_IN_TEXT = late_pattern(
    r"\$\{\{\s*parent\.(?:inputs\.[\w.-]+|jobs\.[\w-]+\.outputs\.[\w-]+)\s*\}\}"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the bindings of a step's inputs may refer to.

    `step` is the step's name ("" for a standalone sweep) and `at` its path in `text`; `inputs` are
    the pipeline's, `steps` the names of its steps, and `prefix` what their full names begin with.
    """

    text: YamlText
    at: tuple[str, ...]
    step: str
    inputs: Mapping[str, Bound]
    steps: Sequence[str]
    prefix: str

    def bind(self, key: str, value: Any) -> Bound:
        """What the value of one input is bound to. Raises `UserError` with its position."""
        text = value.get("path") if isinstance(value, dict) else value
        if isinstance(text, str) and (match := _BINDING.match(text.strip())):
            return _in_mode(self._target(key, text, match), value)
        if isinstance(text, str) and _IN_TEXT.search(text):
            return _in_mode(self._composed(key, text, value), value)
        reading = Reading(self.text)
        input_ = reading.input(key, value, (*self.at, "inputs", key))
        if input_ is None:
            raise reading.problems[0]
        return input_

    def _composed(self, key: str, text: str, value: Any) -> Bound:
        """The bindings in a text, with literals inserted.

        Data or a step's output at the text's beginning make it a path below them.
        """
        base: Bound | None = None

        def insert(match: re.Match[str]) -> str:
            nonlocal base
            binding = _BINDING.match(match[0])
            assert binding is not None
            target = self._target(key, match[0], binding)
            if isinstance(target, Input) and target.kind == "literal" and target.value is not None:
                return target.literal_text
            if match.start() or (isinstance(target, Input) and not target.path):
                raise UserError(
                    f"{described(self.step)} takes {text}, and {match[0]} is not a literal",
                    code="binding-invalid",
                    where=self.text.where(*self.at, "inputs", key),
                    hint="Only data, or another step's output, may begin a path",
                )
            base = target
            return ""

        rest = _IN_TEXT.sub(insert, text.strip())
        if base is None:
            return Input(key, "literal", value=rest)
        if isinstance(base, Input):
            path = f"{(base.path or '').rstrip('/')}{rest}"
            by_ending = "uri_file" if posixpath.splitext(rest)[1] else ""
            type_ = value.get("type") if isinstance(value, dict) else None
            return replace(base, path=path, type=str(type_ or by_ending), origin="")
        if isinstance(base, OutputPart):
            return OutputPart(base.source, base.path + rest)
        return OutputPart(base, rest)

    def _target(self, key: str, text: str, binding: re.Match[str]) -> Bound:
        if binding["input"]:
            if binding["input"] in self.inputs:
                return self.inputs[binding["input"]]
            known, word, before = list(self.inputs), binding["input"], "inputs."
        else:
            if binding["step"] in self.steps and binding["step"] != self.step:
                return self.prefix + binding["step"], binding["output"]
            known, word = [name for name in self.steps if name != self.step], binding["step"]
            before = "jobs."
        path = (*self.at, "inputs", key)
        raise UserError(
            f'{described(self.step)} takes {text}, and "{word}" does not exist',
            code="reference-unknown",
            where=self.text.where(*path),
            hint=did_you_mean(word, known) or "Declare it under the pipeline's inputs",
            meant=(self.text.where_word(path, before, word), close_words(word, known)),
        )


def described(step: str) -> str:
    """A step in a message; "" is a standalone sweep."""
    return f'the step "{step}"' if step else "the sweep"


def source_of(value: Any, prefix: str) -> Source | None:
    """The step's output that an output of the pipeline is bound to; None for anything else."""
    match = _BINDING.match(value) if isinstance(value, str) else None
    return (prefix + match["step"], match["output"]) if match and match["step"] else None


def parent_output_of(value: Any) -> str | None:
    """The output of the pipeline that a step's output is bound to; None for anything else."""
    match = _PARENT_OUTPUT.match(value) if isinstance(value, str) else None
    return match["output"] if match else None


def insert_literals(value: Any, literals: Mapping[str, str]) -> Any:
    """A value of the document with the pipeline's literals in place of references to them."""
    if isinstance(value, str):
        return _PARENT_INPUT.sub(lambda match: literals.get(match["input"], match[0]), value)
    if isinstance(value, dict):
        return {key: insert_literals(below, literals) for key, below in value.items()}
    if isinstance(value, list):
        return [insert_literals(item, literals) for item in value]
    return value


def _in_mode(bound: Bound, value: Any) -> Bound:
    """A step may use data in another mode than the pipeline does."""
    mode = value.get("mode") if isinstance(value, dict) else None
    return (
        replace(bound, mode=str(mode)) if isinstance(bound, Input) and mode is not None else bound
    )
