"""The steps of one pipeline, or of one pipeline component in it.

Source: CLI (v2) pipeline job and command component YAML schemas.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from ...util.errors import UserError, close_words, did_you_mean
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.yaml_text import YamlText
from ..asset_files import AssetFile, Find, note_of, nothing
from .bindings import (
    Bound,
    OutputPart,
    Scope,
    Source,
    described,
    insert_literals,
    parent_output_of,
    source_of,
)
from .component import (
    OVERRIDES,
    Component,
    Read,
    default_input,
    flat_inputs,
    is_file,
    moved_environment,
    read_component,
    typed,
)
from .job import ELSEWHERE, KINDS, Input, Job, Output, Reading

# Steps that azure-ai-ml accepts only in its private preview.
PREVIEWS = ("if_else", "do_while", "parallel_for")
_DEEPEST = 20
StepKind = Literal["command", "sweep"]


@dataclass(frozen=True, slots=True)
class Step:
    """`job` has its literals and its data in its inputs.

    takes: input -> (step, output) of an earlier step.
    below: input -> the path in that output ("/a.csv"), if the input is not all of it.
    passes: input -> the pipeline's data input that it is bound to.
    gives: output -> the pipeline's output.
    problem: why the step cannot run here; None if it can.
    notes: which files of the workspace stand for registered components.
    """

    name: str
    job: Job
    takes: Mapping[str, Source] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)
    passes: Mapping[str, str] = field(default_factory=dict)
    gives: Mapping[str, str] = field(default_factory=dict)
    problem: UserError | None = None
    notes: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps that must have run, each once."""
        return tuple(dict.fromkeys(step for step, _ in self.takes.values()))


@dataclass(frozen=True, slots=True)
class Level:
    """One pipeline, or one pipeline component in it.

    `document` is the mapping with `jobs`, at the path `at` of `text`; its paths are relative to
    `file`. `inputs` are what the level's inputs are bound to, and the full names of its steps begin
    with `prefix`. `find` finds the files that stand for registered components.
    """

    text: YamlText
    document: Mapping[str, Any]
    at: tuple[str, ...]
    file: str
    inputs: Mapping[str, Bound]
    prefix: str
    read: Read
    find: Find = nothing

    def steps(self) -> tuple[list[Step], dict[str, Source]]:
        """The steps in the file's order, and which of them makes each output of this level.

        The steps of a pipeline component are in its place.
        """
        jobs = self.document.get("jobs")
        if not isinstance(jobs, dict) or not jobs:
            raise UserError(
                "the pipeline has no jobs",
                code="pipeline-empty",
                where=self.text.where(*self.at, "jobs"),
                hint="Write steps below jobs:",
            )
        steps: list[Step] = []
        inner: dict[Source, Source] = {}
        for name, body in jobs.items():
            if not isinstance(body, dict):
                raise UserError(
                    f'the step "{name}" is not a mapping',
                    code="step-invalid",
                    where=self.text.where(*self._at_step(name)),
                    hint="Write its command",
                )
            parts, outputs = self.step(str(name), body, list(map(str, jobs)))
            steps += parts
            inner.update({(self.prefix + str(name), key): one for key, one in outputs.items()})
        steps = [
            replace(
                step, takes={key: inner.get(source, source) for key, source in step.takes.items()}
            )
            for step in steps
        ]
        return steps, self._outputs(steps, inner)

    def step(
        self, name: str, body: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[list[Step], dict[str, Source]]:
        """The step, or the steps of the pipeline component that it is, with the outputs of those.

        `names` are all steps of this level.
        """
        body = self._with_literals(body)
        kind = str(body.get("type") or ("sweep" if "trial" in body else "command")).lower()
        if kind in ("component", "component_job"):  # an older word for it
            kind = "command"
        if kind == "pipeline":
            return self._nested(name, body, body.get("component"), names)
        if kind in (*ELSEWHERE, *PREVIEWS):
            message = f"{described(name)} is of type {kind}, which cannot run here"
            hint = self._component_hint(name, "type=command")
            return [self._no_local_equivalent(name, message, hint, body)], {}
        if kind not in ("command", "sweep"):
            path = (*self._at_step(name), "type")
            problem = UserError(
                f"{described(name)} is of type {kind}, which does not exist",
                code="step-type-unknown",
                where=self.text.where(*path),
                hint=did_you_mean(kind, [*KINDS, *ELSEWHERE]),
                meant=(self.text.where_value(*path), close_words(kind, [*KINDS])),
            )
            return [self._unusable(name, problem, body)], {}
        return self._executable(name, "sweep" if kind == "sweep" else "command", body, names)

    def _executable(
        self, name: str, kind: StepKind, body: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[list[Step], dict[str, Source]]:
        key = "trial" if kind == "sweep" else "component"
        at = (*self._at_step(name), key)
        component = body.get(key)
        try:
            asset = self._asset(component, at)
        except UserError as error:
            return [self._unusable(name, error, body)], {}
        if asset is not None:
            steps, outputs = self._executable(
                name, kind, {**body, key: self._path_to(asset)}, names
            )
            return _noted(steps, str(component), asset), outputs
        if isinstance(component, str) and not is_file(component):
            message = f"{described(name)} is a registered component, {component}"
            return [self._registered(name, message, body)], {}
        if isinstance(component, str):
            loaded = read_component(self.file, component, self.text.where(*at), self.read)
            if "jobs" in loaded.document:
                return self._nested(name, body, component, names)
            type_ = str(loaded.document.get("type") or "").lower()
            if type_ in ELSEWHERE:
                message = f"{described(name)} is of type {type_}, which cannot run here"
                hint = self._component_hint(name)
                return [self._no_local_equivalent(name, message, hint, body)], {}
            return [self._component_step(name, kind, body, loaded, names)], {}
        if isinstance(component, dict) and (kind == "command" or "inputs" in component):
            written = Component(self.text, component, at, self.file)
            return [self._component_step(name, kind, body, written, names)], {}
        return [self._inline_step(name, kind, body, names)], {}

    def _inline_step(
        self, name: str, kind: StepKind, body: Mapping[str, Any], names: Sequence[str]
    ) -> Step:
        """A step that has its command itself."""
        at = self._at_step(name)
        settings = self.document.get("settings")
        if isinstance(settings, dict) and "environment" not in body and "trial" not in body:
            body = {"environment": settings.get("environment"), **body}
        reading = Reading(self.text)
        trial = reading.mapping(body, "trial") if kind == "sweep" else body
        without_bindings = {**body, "inputs": None, "outputs": None}
        command_at = (*at, "trial") if kind == "sweep" else at
        job = reading.job_at(kind, trial, command_at, without_bindings, at)
        scope = self._scope(name, names)
        inputs = reading.mapping(body, *at, "inputs")
        bound = {key: scope.bind(key, value) for key, value in inputs.items()}
        return self._step(name, job, reading, bound, body, {})

    def _component_step(
        self,
        name: str,
        kind: StepKind,
        body: Mapping[str, Any],
        component: Component,
        names: Sequence[str],
    ) -> Step:
        """A step whose command is in a component.

        The step's own keys win, and its paths are made relative to the component's file.
        """
        own = {key: body[key] for key in OVERRIDES if body.get(key) is not None}
        if isinstance(own.get("environment"), dict):
            own["environment"] = moved_environment(own["environment"], self.file, component.file)
        merged = {**component.document, **own, "inputs": None, "outputs": None}
        at = component.at
        reading = Reading(component.text)
        job = replace(reading.job_at(kind, merged, at, merged, at), document=merged)
        declared = flat_inputs(reading.mapping(component.document, *at, "inputs"))
        values = self._mapping(body, name, "inputs")
        for key in values:
            if key not in declared:
                position = self.text.where(*self._at_step(name), "inputs", key)
                raise UserError(
                    f'{described(name)} sets "{key}", which its component does not declare',
                    code="input-undeclared",
                    where=position,
                    hint=did_you_mean(key, list(declared))
                    or f"Declare it under inputs in {component.file}",
                    meant=(position, close_words(key, list(declared))),
                )
        scope = self._scope(name, names)
        bound = {}
        for key, declaration in declared.items():
            input_: Bound | None
            if values.get(key) is not None:
                input_ = scope.bind(key, values[key])
            else:
                is_swept = key in job.search_space
                input_ = default_input(key, declaration, reading, optional=is_swept)
            if input_ is None:
                raise UserError(
                    f'{described(name)} does not set "{key}", which its component needs',
                    code="input-without-value",
                    where=self.text.where(*self._at_step(name)),
                    hint=f"Write {key}: under its inputs, or a default in {component.file}",
                )
            bound[key] = typed(input_, declaration, self.file, component.file)
        outputs = reading.mapping(component.document, *at, "outputs")
        return self._step(name, job, reading, bound, body, outputs)

    def _step(
        self,
        name: str,
        job: Job,
        reading: Reading,
        bound: Mapping[str, Bound],
        body: Mapping[str, Any],
        declared: Mapping[str, Any],
    ) -> Step:
        """`declared` are the outputs of its component."""
        inputs, takes, below = {}, {}, {}
        for key, one in bound.items():
            if isinstance(one, Input):
                inputs[key] = replace(one, name=key)
                continue
            inputs[key] = Input(key, "data", type="uri_folder", path="")
            takes[key] = one.source if isinstance(one, OutputPart) else one
            if isinstance(one, OutputPart):
                below[key] = one.path
        outputs, gives = self._step_outputs(name, body, declared, reading)
        return Step(
            name=self.prefix + name,
            job=replace(job, inputs=inputs, outputs=outputs),
            takes=takes,
            below=below,
            passes={
                key: input_.origin
                for key, input_ in inputs.items()
                if input_.origin and input_.kind == "data"
            },
            gives=gives,
            problem=reading.problems[0] if reading.problems else None,
        )

    def _step_outputs(
        self, name: str, body: Mapping[str, Any], declared: Mapping[str, Any], reading: Reading
    ) -> tuple[dict[str, Output], dict[str, str]]:
        """A step's outputs, and those that it gives to the pipeline.

        The latter have the type of the pipeline's output.
        """
        outputs = {
            key: reading.output(key, declaration, ("outputs", key))
            for key, declaration in declared.items()
        }
        gives = {}
        parents = self.document.get("outputs")
        parents = parents if isinstance(parents, dict) else {}
        for key, value in self._mapping(body, name, "outputs").items():
            path = (*self._at_step(name), "outputs", key)
            text = value.get("path") if isinstance(value, dict) else value
            parent_name = parent_output_of(text)
            if parent_name is None:
                if value is not None or key not in outputs:
                    value = {"path": value} if isinstance(value, str) else value
                    outputs[key] = reading.output(key, value, path)
                continue
            if parent_name not in parents:
                known = list(map(str, parents))
                raise UserError(
                    f"{described(name)} writes to {text}, which the pipeline does not declare",
                    code="output-undeclared",
                    where=self.text.where(*path),
                    hint=did_you_mean(parent_name, known) or "Declare it under outputs",
                    meant=(
                        self.text.where_word(path, "outputs.", parent_name),
                        close_words(parent_name, known),
                    ),
                )
            gives[key] = parent_name
            parent = parents[parent_name]
            if key not in outputs or (isinstance(parent, dict) and "type" in parent):
                outputs[key] = reading.output(key, parent, path)
        return outputs, gives

    def _outputs(self, steps: Sequence[Step], inner: Mapping[Source, Source]) -> dict[str, Source]:
        """The sources of this level's outputs.

        They are those that it takes from a step, and those that steps give to it.
        """
        outputs: dict[str, Source] = {}
        if self.prefix:
            for step in steps:
                outputs.update({parent: (step.name, key) for key, parent in step.gives.items()})
        declared = self.document.get("outputs")
        for name, value in (declared.items() if isinstance(declared, dict) else ()):
            source = source_of(value, self.prefix)
            if source is not None:
                outputs[str(name)] = inner.get(source, source)
        return outputs

    def _nested(
        self, name: str, body: Mapping[str, Any], component: Any, names: Sequence[str]
    ) -> tuple[list[Step], dict[str, Source]]:
        """The steps of a pipeline component, named step.inner."""
        try:
            asset = self._asset(component, (*self._at_step(name), "component"))
        except UserError as error:
            return [self._unusable(name, error, body)], {}
        if asset is not None:
            steps, outputs = self._nested(name, body, self._path_to(asset), names)
            return _noted(steps, str(component), asset), outputs
        if isinstance(component, str) and not is_file(component):
            message = f"{described(name)} is a registered pipeline component, {component}"
            return [self._registered(name, message, body)], {}
        values = self._mapping(body, name, "inputs")
        scope = self._scope(name, names)
        bound = {key: scope.bind(key, value) for key, value in values.items()}
        prefix = f"{self.prefix}{name}."
        if isinstance(component, str):
            at = (*self.at, "jobs", name, "component")
            level = self.component_level(component, bound, prefix, self.text.where(*at))
            return self._connected(level, body, name)
        inner = component if isinstance(component, dict) else body
        at = (*self._at_step(name), *(("component",) if inner is component else ()))
        level = replace(self, document=inner, at=at, inputs=bound, prefix=prefix)
        return self._connected(level, body, name)

    def component_level(
        self, component: str, bound: Mapping[str, Bound], prefix: str, position: Position
    ) -> Level:
        """The level of a pipeline component's file, which is named at a position."""
        if prefix.count(".") > _DEEPEST:
            raise UserError(
                "the pipeline component contains itself",
                code="component-cyclic",
                where=position,
                hint="Remove one of its steps",
            )
        if not is_file(component):  # of a whole pipeline; that of a step is a file already
            asset = self.find("component", component, self.file, position)
            component = component if asset is None else self._path_to(asset)
        loaded = read_component(self.file, component, position, self.read)
        reading = Reading(loaded.text)
        inputs = dict(bound)
        for key, declaration in reading.mapping(loaded.document, "inputs").items():
            if key in inputs:
                inputs[key] = typed(inputs[key], declaration, self.file, loaded.file)
            elif (input_ := default_input(key, declaration, reading)) is not None:
                inputs[key] = input_
        return Level(
            loaded.text, loaded.document, (), loaded.file, inputs, prefix, self.read, self.find
        )

    def _asset(self, component: Any, at: tuple[str | int, ...]) -> AssetFile | None:
        """The file of the workspace for a registered component. UserError if it is not clear."""
        if not isinstance(component, str) or is_file(component):
            return None
        return self.find("component", component, self.file, self.text.where(*at))

    def _path_to(self, asset: AssetFile) -> str:
        """The file as this level's file would name it."""
        return posixpath.relpath(asset.file, posixpath.dirname(self.file) or ".")

    def _connected(
        self, level: Level, body: Mapping[str, Any], name: str
    ) -> tuple[list[Step], dict[str, Source]]:
        """The steps of an inner level; what they give to it, it may give to this level."""
        steps, outputs = level.steps()
        gives: dict[Source, str] = {}
        for key, value in self._mapping(body, name, "outputs").items():
            parent = parent_output_of(value)
            if parent and key in outputs:
                gives[outputs[key]] = parent
        steps = [
            replace(
                step,
                gives={out: parent for (owner, out), parent in gives.items() if owner == step.name},
            )
            for step in steps
        ]
        return steps, outputs

    def _with_literals(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The step with the pipeline's literals in place of references to them.

        References are to a compute, an instance count and so on; those in its bindings and its
        command stay.
        """
        literals = {
            key: input_.literal_text
            for key, input_ in self.inputs.items()
            if isinstance(input_, Input) and input_.kind == "literal" and input_.value is not None
        }
        unchanged = ("inputs", "outputs", "command", "jobs", "component")
        return {
            str(key): value if key in unchanged else insert_literals(value, literals)
            for key, value in body.items()
        }

    def _registered(self, name: str, message: str, body: Mapping[str, Any]) -> Step:
        problem = UserError(
            message,
            code="component-registered",
            where=self.text.where(*self._at_step(name)),
            hint=self._component_hint(name),
        )
        return self._unusable(name, problem, body)

    def _no_local_equivalent(
        self, name: str, message: str, hint: str, body: Mapping[str, Any]
    ) -> Step:
        problem = UserError(
            message,
            code="no-local-equivalent",
            where=self.text.where(*self._at_step(name)),
            hint=hint,
        )
        return self._unusable(name, problem, body)

    def _component_hint(self, name: str, *sets: str) -> str:
        """How a component's file can replace a step; `sets` must be set beside it."""
        if self.prefix or self.at or not name:
            return "Name a component's file there: ./FILE.yml"
        options = [f"--set jobs.{name}.{one}" for one in (*sets, "component=./FILE.yml")]
        return f"A component's file can replace it: {' '.join(options)}"

    def _unusable(self, name: str, problem: UserError, body: Mapping[str, Any]) -> Step:
        at = self._at_step(name)
        job = Reading(self.text).job_at("pipeline", {}, at, {}, at)
        job = replace(job, compute=str(body.get("compute") or ""), inputs=self._data(name, body))
        return Step(self.prefix + name, job, problem=problem)

    def _data(self, name: str, body: Mapping[str, Any]) -> dict[str, Input]:
        """The data of a step that cannot run here: Azure ML's client sends local ones all the same."""
        written = body.get("inputs")
        reading = Reading(self.text)
        data = {}
        for key, value in written.items() if isinstance(written, dict) else ():
            path = value.get("path") if isinstance(value, dict) else None
            if isinstance(path, str) and path and "${{" not in path:
                at = (*self._at_step(name), "inputs", str(key))
                input_ = reading.table_input(str(key), value, at)
                data[str(key)] = replace(input_, type=str(value.get("type") or ""))
        return data

    def _mapping(self, body: Mapping[str, Any], name: str, key: str) -> Mapping[str, Any]:
        reading = Reading(self.text)
        value = reading.mapping(body, *self._at_step(name), key)
        if reading.problems:
            raise reading.problems[0]
        return value

    def _scope(self, name: str, names: Sequence[str]) -> Scope:
        return Scope(self.text, self._at_step(name), name, self.inputs, names, self.prefix)

    def _at_step(self, name: str) -> tuple[str, ...]:
        """A step's path in the text; "" is a standalone sweep."""
        return (*self.at, "jobs", name) if name else self.at


def _noted(steps: Sequence[Step], reference: str, asset: AssetFile) -> list[Step]:
    note = note_of(reference, asset)
    return [replace(step, notes=(note, *step.notes)) for step in steps]
