"""A pipeline job as its steps in the order in which they can run.

Every step becomes a `Job` of its own; what it takes from earlier steps, and what it gives to the
pipeline, stands beside it. Component files are read through a function that is handed in.
Source: CLI (v2) pipeline job and command component YAML schemas.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError, did_you_mean
from ...util.yaml_text import YamlText
from .job import ELSEWHERE, KINDS, LITERAL_TYPES, Input, Job, Output, Reading

# Steps that azure-ai-ml takes in its private preview alone.
PREVIEWS = ("if_else", "do_while", "parallel_for")
# A component file's text by its path relative to the workspace; None when there is no such file.
Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """`job` has its literals and its data filled in. `takes`: input -> (step, output) of an
    earlier one; `below`: input -> the path in that output that it is ("/a.csv"), where it is not
    the whole. `passes`: input -> the pipeline's data input that it is. `gives`: output -> the
    pipeline's output. `problem`: why it cannot run here."""

    name: str
    job: Job
    takes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)
    passes: Mapping[str, str] = field(default_factory=dict)
    gives: Mapping[str, str] = field(default_factory=dict)
    problem: UserError | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps that must have run, each once."""
        return tuple(dict.fromkeys(step for step, _ in self.takes.values()))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`steps` stand in an order in which each has all it needs. `outputs` are the pipeline's own;
    `made_by`: output -> (step, its output)."""

    name: str
    steps: tuple[Step, ...]
    outputs: Mapping[str, Output]
    made_by: Mapping[str, tuple[str, str]]
    continue_on_step_failure: bool = True

    def step(self, name: str) -> Step:
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            names = [step.name for step in self.steps]
            raise UserError(
                f'the pipeline has no step "{name}"',
                where=self.name,
                hint=did_you_mean(name, names),
            )
        return found

    def after(self, name: str) -> frozenset[str]:
        """The steps that come to need this one, directly or through others."""
        found = {name}
        for step in self.steps:  # each stands after all it needs
            if found.intersection(step.needs):
                found.add(step.name)
        return frozenset(found - {name})


def pipeline_of(job: Job, read: Read) -> Pipeline:
    """The steps of a job of kind "pipeline". A `Mistake` for a cycle, a reference to nothing, a
    component file that is not there; a step that has no local form keeps it as its `problem`."""
    document = job.document
    inputs: dict[str, Bound] = {name: replace(one, origin=name) for name, one in job.inputs.items()}
    level = _Level(job.text, document, (), job.name, inputs, "", read)
    if isinstance(document.get("component"), str) and "jobs" not in document:
        level = level.component_level(document["component"], inputs, "", ("component",))
    steps, made_by = level.steps()
    for step in steps:
        made_by.update({given: (step.name, output) for output, given in step.gives.items()})
    _require_outputs(steps, job)
    settings = document.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    return Pipeline(
        name=job.name,
        steps=_in_order(steps, job),
        outputs=job.outputs,
        made_by=made_by,
        continue_on_step_failure=settings.get("continue_on_step_failure") is not False,
    )


def default_compute(job: Job) -> str:
    """Where a pipeline's steps run that name no compute; "" when it is silent."""
    settings = job.document.get("settings")
    default = settings.get("default_compute") if isinstance(settings, dict) else None
    return job.compute or str(default or "")


def swept(job: Job, read: Read) -> Job:
    """A sweep whose trial is a component in a file of its own, with that component's command,
    code and environment; any other sweep as it is."""
    trial = job.document.get("trial")
    if not isinstance(trial, str):
        return job
    level = _Level(job.text, job.document, (), job.name, dict(job.inputs), "", read)
    (step, *_), _ = level.step("", job.document, [])
    if step.problem is not None:
        raise step.problem
    return step.job


Source = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """What lies at `path` ("/a.csv") in another step's output."""

    source: Source
    path: str


Bound = Input | Source | Part
_BINDING = re.compile(
    r"^\$\{\{\s*(?:parent\.)?(?:inputs\.(?P<input>[\w.-]+)"
    r"|jobs\.(?P<step>[\w-]+)\.outputs\.(?P<output>[\w-]+))\s*\}\}$"
)
_PARENT_OUTPUT = re.compile(r"^\$\{\{\s*(?:parent\.)?outputs\.(?P<output>[\w-]+)\s*\}\}$")
_WITHIN = re.compile(r"\$\{\{\s*parent\.inputs\.(?P<input>[\w.-]+)\s*\}\}")
# A binding with more text around it: extra_${{parent.inputs.name}}, ${{parent.inputs.raw}}/a.csv
_AMONG_TEXT = re.compile(
    r"\$\{\{\s*parent\.(?:inputs\.[\w.-]+|jobs\.[\w-]+\.outputs\.[\w-]+)\s*\}\}"
)
# What a step of the pipeline may say in place of its component.
_OWN = (
    "resources", "distribution", "environment_variables", "environment", "limits", "services",
    "queue_settings", "identity", "search_space", "sampling_algorithm", "objective", "compute",
    "early_termination",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Component:
    """A component, from its own file or written in a step: `at` is where it stands in the text,
    `file` what its paths are relative to."""

    text: YamlText
    document: Mapping[str, Any]
    at: tuple[str, ...]
    file: str


@dataclass(frozen=True, slots=True)
class _Level:
    """One pipeline, or one pipeline component in it: its text, the mapping with `jobs` and where
    that stands, the file that its paths are relative to, what its inputs are, and the name that
    its steps' names begin with."""

    text: YamlText
    document: Mapping[str, Any]
    at: tuple[str, ...]
    file: str
    inputs: Mapping[str, Bound]
    prefix: str
    read: Read

    def steps(self) -> tuple[list[Step], dict[str, Source]]:
        """The steps in the file's order, those of pipeline components in their place; and which
        of them makes each of this level's outputs."""
        jobs = self.document.get("jobs")
        if not isinstance(jobs, dict) or not jobs:
            raise UserError(
                "the pipeline has no jobs", where=self.where("jobs"), hint="Write steps below jobs:"
            )
        made: list[Step] = []
        inner: dict[Source, Source] = {}
        for name, body in jobs.items():
            if not isinstance(body, dict):
                raise self.mistake(f'the step "{name}" is no mapping', "Write its command", name)
            steps, outputs = self.step(str(name), body, list(map(str, jobs)))
            made += steps
            inner.update({(self.prefix + str(name), key): one for key, one in outputs.items()})
        made = [
            replace(step, takes={key: inner.get(one, one) for key, one in step.takes.items()})
            for step in made
        ]
        return made, self.level_outputs(made, inner)

    def level_outputs(
        self, steps: Sequence[Step], inner: Mapping[Source, Source]
    ) -> dict[str, Source]:
        """Outputs that this level itself takes from a step, and those that steps give to it."""
        outputs: dict[str, Source] = {}
        if self.prefix:
            for step in steps:
                outputs.update({given: (step.name, out) for out, given in step.gives.items()})
        declared = self.document.get("outputs")
        for name, value in (declared.items() if isinstance(declared, dict) else ()):
            found = _BINDING.match(value) if isinstance(value, str) else None
            if found and found["step"]:
                source = (self.prefix + found["step"], found["output"])
                outputs[str(name)] = inner.get(source, source)
        return outputs

    def step(
        self, name: str, body: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[list[Step], dict[str, Source]]:
        body = self.filled(body)
        kind = str(body.get("type") or ("sweep" if "trial" in body else "command")).lower()
        if kind in ("component", "component_job"):  # an older word for it
            kind = "command"
        if kind == "pipeline":
            return self.nested(name, body, body.get("component"), names)
        if kind not in ("command", "sweep", *ELSEWHERE, *PREVIEWS):
            what = f"{_said(name)} is of type {kind}, and there are no such steps"
            step = self.without_form(name, what, body)
            problem = self.mistake(what, did_you_mean(kind, [*KINDS, *ELSEWHERE]), name, "type")
            return [replace(step, problem=problem)], {}
        if kind not in ("command", "sweep"):
            what = f"{_said(name)} is of type {kind}, which has no local form"
            return [self.without_form(name, what, body, ("type=command",))], {}
        component = body.get("trial" if kind == "sweep" else "component")
        if isinstance(component, str) and not _is_file(component):
            what = f"{_said(name)} is a registered component, {component}"
            return [self.without_form(name, what, body)], {}
        if isinstance(component, str):
            path, text = self.component_file(
                component, (*self.at_step(name), "trial" if kind == "sweep" else "component")
            )
            if "jobs" in text.value:
                return self.nested(name, body, component, names)
            what = str(text.value.get("type") or "").lower()
            if what in ELSEWHERE:
                what = f"{_said(name)} is of type {what}, which has no local form"
                return [self.without_form(name, what, body)], {}
            found = _Component(text, text.value, (), path)
            return [self.component_step(name, kind, body, found, names)], {}
        if isinstance(component, dict) and (kind == "command" or "inputs" in component):
            at = (*self.at_step(name), "trial" if kind == "sweep" else "component")
            found = _Component(self.text, component, at, self.file)
            return [self.component_step(name, kind, body, found, names)], {}
        return [self.inline_step(name, kind, body, names)], {}

    def inline_step(
        self, name: str, kind: str, body: Mapping[str, Any], names: Sequence[str]
    ) -> Step:
        at = self.at_step(name)
        settings = self.document.get("settings")
        if isinstance(settings, dict) and "environment" not in body and "trial" not in body:
            body = {"environment": settings.get("environment"), **body}
        reading = Reading(self.text)
        trial = reading.mapping(body, "trial") if kind == "sweep" else body
        bare = {**body, "inputs": None, "outputs": None}
        command_at = (*at, "trial") if kind == "sweep" else at
        job = reading.job_at(kind, trial, command_at, bare, at)
        given = reading.mapping(body, *at, "inputs")
        bound = {key: self.bound(name, key, value, names) for key, value in given.items()}
        return self.made(name, job, reading, bound, body, {})

    def component_step(
        self,
        name: str,
        kind: str,
        body: Mapping[str, Any],
        component: _Component,
        names: Sequence[str],
    ) -> Step:
        """A step whose command stands in a component: what the step says itself wins, and its
        paths are made relative to the component's file."""
        own = {key: body[key] for key in _OWN if body.get(key) is not None}
        if isinstance(own.get("environment"), dict):
            own["environment"] = _moved_environment(own["environment"], self.file, component.file)
        merged = {**component.document, **own, "inputs": None, "outputs": None}
        at = component.at
        reading = Reading(component.text)
        job = replace(reading.job_at(kind, merged, at, merged, at), document=merged)
        declared = _flat(reading.mapping(component.document, *at, "inputs"))
        given = self.reading_of(body, name, "inputs")
        swept = job.search_space
        for key in given:
            if key not in declared:
                raise self.mistake(
                    f'{_said(name)} gives "{key}", which its component does not declare',
                    did_you_mean(key, list(declared)) or f"Declare it under inputs in {component.file}",
                    name, "inputs", key,
                )  # fmt: skip
        bound = {}
        for key, rule in declared.items():
            one: Bound | None
            if given.get(key) is not None:
                one = self.bound(name, key, given[key], names)
            else:
                one = _undeclared(key, rule, reading, optional=key in swept)
                if one is None:
                    raise self.mistake(
                        f'{_said(name)} gives no "{key}", which its component needs',
                        f"Write {key}: under its inputs, or a default in {component.file}",
                        name,
                    )
            bound[key] = _typed(one, rule, self.file, component.file)
        outputs = reading.mapping(component.document, *at, "outputs")
        return self.made(name, job, reading, bound, body, outputs)

    def made(
        self,
        name: str,
        job: Job,
        reading: Reading,
        bound: Mapping[str, Bound],
        body: Mapping[str, Any],
        declared: Mapping[str, Any],
    ) -> Step:
        inputs, takes, below = {}, {}, {}
        for key, one in bound.items():
            if isinstance(one, Input):
                inputs[key] = replace(one, name=key)
                continue
            inputs[key] = Input(key, "data", type="uri_folder", path="")
            takes[key] = one.source if isinstance(one, Part) else one
            if isinstance(one, Part):
                below[key] = one.path
        outputs, gives = self.outputs(name, body, declared, reading)
        return Step(
            name=self.prefix + name,
            job=replace(job, inputs=inputs, outputs=outputs),
            takes=takes,
            below=below,
            passes={
                key: one.origin for key, one in inputs.items() if one.origin and one.kind == "data"
            },
            gives=gives,
            problem=reading.problems[0] if reading.problems else None,
        )

    def outputs(
        self, name: str, body: Mapping[str, Any], declared: Mapping[str, Any], reading: Reading
    ) -> tuple[dict[str, Output], dict[str, str]]:
        """A step's outputs; one that is a binding has the type of the pipeline's output."""
        outputs = {
            key: reading.output(key, rule, ("outputs", key)) for key, rule in declared.items()
        }
        gives = {}
        parents = self.document.get("outputs")
        parents = parents if isinstance(parents, dict) else {}
        for key, value in self.reading_of(body, name, "outputs").items():
            path = (*self.at_step(name), "outputs", key)
            text = value.get("path") if isinstance(value, dict) else value
            found = _PARENT_OUTPUT.match(text) if isinstance(text, str) else None
            if found is None:
                if value is not None or key not in outputs:
                    value = {"path": value} if isinstance(value, str) else value
                    outputs[key] = reading.output(key, value, path)
                continue
            if found["output"] not in parents:
                raise self.mistake(
                    f'{_said(name)} writes to {text}, which the pipeline does not declare',
                    did_you_mean(found["output"], list(map(str, parents))) or "Declare it under outputs",
                    name, "outputs", key,
                )  # fmt: skip
            gives[key] = found["output"]
            parent = parents[found["output"]]
            if key not in outputs or (isinstance(parent, dict) and "type" in parent):
                outputs[key] = reading.output(key, parent, path)
        return outputs, gives

    def bound(self, step: str, key: str, value: Any, names: Sequence[str]) -> Bound:
        """What a step's input is: a literal, data, or another step's output."""
        text = value.get("path") if isinstance(value, dict) else value
        found = _BINDING.match(text.strip()) if isinstance(text, str) else None
        if found is not None:
            return _in_mode(self.referred(step, key, str(text), found, names), value)
        if isinstance(text, str) and _AMONG_TEXT.search(text):
            return _in_mode(self.composed(step, key, text, value, names), value)
        reading = Reading(self.text)
        made = reading.input(key, value, (*self.at_step(step), "inputs", key))
        if made is None:
            raise reading.problems[0]
        return made

    def composed(self, step: str, key: str, text: str, value: Any, names: Sequence[str]) -> Bound:
        """Bindings among other text: literals are filled in, and what begins with data or with
        another step's output is a path in them."""
        first: Bound | None = None

        def fill(match: re.Match[str]) -> str:
            nonlocal first
            found = _BINDING.match(match[0])
            assert found is not None
            one = self.referred(step, key, match[0], found, names)
            if isinstance(one, Input) and one.kind == "literal" and one.value is not None:
                return one.literal_text
            if match.start() or (isinstance(one, Input) and not one.path):
                raise self.mistake(
                    f"{_said(step)} takes {text}, and {match[0]} is no text to put there",
                    "Only data, or another step's output, may stand at the beginning of a path",
                    step, "inputs", key,
                )  # fmt: skip
            first = one
            return ""

        rest = _AMONG_TEXT.sub(fill, text.strip())
        if first is None:
            return Input(key, "literal", value=rest)
        if isinstance(first, Input):
            path = f"{(first.path or '').rstrip('/')}{rest}"
            kind = "uri_file" if posixpath.splitext(rest)[1] else ""
            given = value.get("type") if isinstance(value, dict) else None
            return replace(first, path=path, type=str(given or kind), origin="")
        if isinstance(first, Part):
            return Part(first.source, first.path + rest)
        return Part(first, rest)

    def referred(
        self, step: str, key: str, text: str, found: re.Match[str], names: Sequence[str]
    ) -> Bound:
        if found["input"]:
            if found["input"] in self.inputs:
                return self.inputs[found["input"]]
            known, word = list(self.inputs), found["input"]
        else:
            if found["step"] in names and found["step"] != step:
                return self.prefix + found["step"], found["output"]
            known, word = [name for name in names if name != step], found["step"]
        raise self.mistake(
            f'{_said(step)} takes {text}, and there is no "{word}"',
            did_you_mean(word, known) or "Declare it under the pipeline's inputs",
            step, "inputs", key,
        )  # fmt: skip

    def nested(
        self, name: str, body: Mapping[str, Any], component: Any, names: Sequence[str]
    ) -> tuple[list[Step], dict[str, Source]]:
        """The steps of a pipeline component, named step.inner."""
        if isinstance(component, str) and not _is_file(component):
            what = f"{_said(name)} is a registered pipeline component, {component}"
            return [self.without_form(name, what, body)], {}
        given = self.reading_of(body, name, "inputs")
        bound = {key: self.bound(name, key, value, names) for key, value in given.items()}
        prefix = f"{self.prefix}{name}."
        if isinstance(component, str):
            level = self.component_level(component, bound, prefix, ("jobs", name, "component"))
            return self._passed_on(level, body, name)
        inner = component if isinstance(component, dict) else body
        at = (*self.at_step(name), *(("component",) if inner is component else ()))
        return self._passed_on(
            replace(self, document=inner, at=at, inputs=bound, prefix=prefix), body, name
        )

    def component_file(self, component: str, said: tuple[str, ...]) -> tuple[str, YamlText]:
        """A component's path and its text; `said` is where it is named."""
        path = _joined(self.file, component)
        content = self.read(path)
        if content is None:
            where = self.text.where(*said)
            raise UserError(f"there is no {path}", where=where, hint="Check the component's path")
        text = yaml_text.parse(content, path)
        if not isinstance(text.value, dict):
            raise UserError(
                "this is no component: it holds no keys",
                where=f"{path}:1",
                hint="Write its command, inputs and outputs",
            )
        return path, text

    def component_level(
        self, component: str, bound: Mapping[str, Bound], prefix: str, said: tuple[str, ...]
    ) -> _Level:
        if prefix.count(".") > 20:
            raise UserError(
                "this pipeline component holds itself",
                where=self.where(*said),
                hint="Take one of its steps out",
            )
        path, text = self.component_file(component, (*self.at, *said))
        reading = Reading(text)
        inputs = dict(bound)
        for key, rule in reading.mapping(text.value, "inputs").items():
            if key in inputs:
                inputs[key] = _typed(inputs[key], rule, self.file, path)
            elif (one := _undeclared(key, rule, reading, optional=False)) is not None:
                inputs[key] = one
        return _Level(text, text.value, (), path, inputs, prefix, self.read)

    def _passed_on(
        self, level: _Level, body: Mapping[str, Any], name: str
    ) -> tuple[list[Step], dict[str, Source]]:
        """What the inner steps give to their level, this level may give to its own."""
        steps, outputs = level.steps()
        gives: dict[Source, str] = {}
        for key, value in self.reading_of(body, name, "outputs").items():
            found = _PARENT_OUTPUT.match(value) if isinstance(value, str) else None
            if found and key in outputs:
                gives[outputs[key]] = found["output"]
        passed = [
            replace(
                step,
                gives={out: to for (one, out), to in gives.items() if one == step.name},
            )
            for step in steps
        ]
        return passed, outputs

    def filled(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The step with the pipeline's literals in it wherever they are referred to (a compute, an
        instance count ...), but for its bindings and its command."""
        literals = {
            key: one.literal_text
            for key, one in self.inputs.items()
            if isinstance(one, Input) and one.kind == "literal" and one.value is not None
        }
        kept = ("inputs", "outputs", "command", "jobs", "component")
        return {
            str(key): value if key in kept else _filled(value, literals)
            for key, value in body.items()
        }

    def without_form(
        self, name: str, what: str, body: Mapping[str, Any], sets: tuple[str, ...] = ()
    ) -> Step:
        """`sets` are what must be set beside the component that could stand in."""
        at = self.at_step(name)
        job = Reading(self.text).job_at("pipeline", {}, at, {}, at)
        job = replace(job, compute=str(body.get("compute") or ""))
        stand_in = [f"--set jobs.{name}.{one}" for one in (*sets, "component=./FILE.yml")]
        hint = f"A component's file can stand in for it: {' '.join(stand_in)}"
        if self.prefix or self.at or not name:
            hint = "Name a component's file there: ./FILE.yml"
        return Step(self.prefix + name, job, problem=self.mistake(what, hint, name))

    def reading_of(self, body: Mapping[str, Any], name: str, key: str) -> Mapping[str, Any]:
        reading = Reading(self.text)
        value = reading.mapping(body, *self.at_step(name), key)
        if reading.problems:
            raise reading.problems[0]
        return value

    def at_step(self, name: str) -> tuple[str, ...]:
        """Where a step stands in the text; "" is a sweep that stands alone."""
        return (*self.at, "jobs", name) if name else self.at

    def where(self, *path: str) -> str:
        return self.text.where(*self.at, *path)

    def mistake(self, what: str, hint: str, name: str, *path: str) -> UserError:
        return UserError(what, where=self.text.where(*self.at_step(name), *path), hint=hint)


def _require_outputs(steps: Sequence[Step], job: Job) -> None:
    """What a step takes from another, that one must declare."""
    by_name = {step.name: step for step in steps}
    for step in steps:
        for key, (earlier, output) in step.takes.items():
            giver = by_name.get(earlier)  # None: a pipeline component without such an output
            if giver and (giver.problem is not None or output in giver.job.outputs):
                continue
            known = list(giver.job.outputs) if giver else []
            raise UserError(
                f'the step "{step.name}" takes the output "{output}" of "{earlier}", which has none',
                where=job.text.where("jobs", step.name.split(".")[0], "inputs", key),
                hint=did_you_mean(output, known)
                or f"Write {output}: under the outputs of {earlier}",
            )


def _said(step: str) -> str:
    return f'the step "{step}"' if step else "the sweep"


def _in_order(steps: Sequence[Step], job: Job) -> tuple[Step, ...]:
    """Each after all it needs, else in the file's order; a `Mistake` that names a cycle."""
    left = {step.name: step for step in steps}
    done: list[Step] = []
    while left:
        ready = next(
            (step for step in left.values() if not any(need in left for need in step.needs)), None
        )
        if ready is None:
            ring = _ring(left)
            raise UserError(
                f"steps wait for each other: {' <- '.join(ring)}",
                where=job.text.where("jobs", ring[0]),
                hint="Take one of these inputs from elsewhere",
            )
        done.append(left.pop(ready.name))
    return tuple(done)


def _ring(left: Mapping[str, Step]) -> list[str]:
    path = [next(iter(left))]
    while True:
        following = next(need for need in left[path[-1]].needs if need in left)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)


def _undeclared(key: str, rule: Any, reading: Reading, *, optional: bool) -> Input | None:
    """An input that nobody gives: its default, or without a value where it may be; else None."""
    if not isinstance(rule, dict):
        return reading.input(key, rule, ("inputs", key))
    is_literal = str(rule.get("type", "")).lower() in LITERAL_TYPES
    if rule.get("default") is not None:
        if is_literal:
            return Input(key, "literal", _as_declared(rule["default"], str(rule["type"]).lower()))
        return Input(key, "data", type=str(rule.get("type", "")), path=str(rule["default"]))
    if optional or rule.get("optional") is True:
        return Input(key, "literal" if is_literal else "data", path=None, optional=True)
    return None


def _as_declared(value: Any, kind: str) -> Any:
    """A default as azure-ai-ml sends it: of its declared type (1e-3 is 0.001, a number's 1024 is
    1024.0). What is not of that type stays."""
    try:
        if kind in ("number", "float"):
            return float(value)
        if kind in ("integer", "int"):
            return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return value
    if kind in ("boolean", "bool") and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    return value


def _flat(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Declared inputs with those of a group under their own names: group.member."""
    flat: dict[str, Any] = {}
    for name, rule in declared.items():
        if isinstance(rule, dict) and isinstance(rule.get("values"), dict):
            inner = _flat({str(key): one for key, one in rule["values"].items()})
            flat.update({f"{name}.{key}": one for key, one in inner.items()})
        else:
            flat[name] = rule
    return flat


def _typed(one: Bound, rule: Any, from_file: str, to_file: str) -> Bound:
    """A given input as its component declares it: with its type, a literal path as data, and the
    path seen from the component's file."""
    if not isinstance(one, Input) or not isinstance(rule, dict):
        return one
    kind = str(rule.get("type", "")).lower()
    if one.kind == "literal" and one.value is not None and kind and kind not in LITERAL_TYPES:
        one = Input(one.name, "data", type=kind, path=str(one.value))
    if one.kind == "literal" or one.path is None:
        return one
    mode = one.mode or (None if rule.get("mode") is None else str(rule["mode"]))
    path = one.path if one.optional else _moved(one.path, from_file, to_file)
    return replace(one, type=kind or one.type, path=path, mode=mode)


def _in_mode(one: Bound, value: Any) -> Bound:
    """A step may take data in another mode than the pipeline does."""
    mode = value.get("mode") if isinstance(value, dict) else None
    return one if mode is None or not isinstance(one, Input) else replace(one, mode=str(mode))


def _filled(value: Any, literals: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _WITHIN.sub(lambda found: literals.get(found["input"], found[0]), value)
    if isinstance(value, dict):
        return {key: _filled(one, literals) for key, one in value.items()}
    return [_filled(one, literals) for one in value] if isinstance(value, list) else value


def _is_file(component: str) -> bool:
    return not component.startswith("azureml:") and "://" not in component


def _joined(file: str, path: str) -> str:
    plain = path.removeprefix("file:").replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), plain))


def _moved(path: str, from_file: str, to_file: str) -> str:
    """A local path that is relative to one file, relative to another; any other as it is."""
    plain = path.removeprefix("file:").replace("\\", "/")
    remote = "://" in path or path.startswith("azureml:") or not path
    if remote or from_file == to_file or posixpath.isabs(plain):
        return path
    start = posixpath.dirname(to_file) or "."
    return posixpath.relpath(_joined(from_file, plain), start)


def _moved_environment(value: Mapping[str, Any], from_file: str, to_file: str) -> dict[str, Any]:
    moved = dict(value)
    if isinstance(moved.get("conda_file"), str):
        moved["conda_file"] = _moved(moved["conda_file"], from_file, to_file)
    build = moved.get("build")
    if isinstance(build, dict) and isinstance(build.get("path"), str):
        moved["build"] = {**build, "path": _moved(build["path"], from_file, to_file)}
    return moved
