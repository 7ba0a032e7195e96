"""A pipeline job as its steps, in an order in which they can run.

Every step becomes a `Job` of its own. Component files are read by a function that the caller
passes. Source: CLI (v2) pipeline job YAML schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...util.errors import UserError, close_words, did_you_mean
from ...util.quick_dataclasses import dataclass
from ..asset_files import Find, nothing
from .bindings import Bound, Source
from .component import Read
from .job import Job, Output
from .pipeline_level import PREVIEWS, Level, Step

__all__ = [
    "PREVIEWS",
    "Pipeline",
    "Read",
    "Step",
    "default_compute",
    "is_chain",
    "pipeline_of",
    "swept",
]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Each of `steps` comes after the steps that it needs.

    `outputs` are the pipeline's own; `made_by`: output -> (step, its output).
    """

    name: str
    steps: tuple[Step, ...]
    outputs: Mapping[str, Output]
    made_by: Mapping[str, Source]
    continue_on_step_failure: bool = True

    def step(self, name: str) -> Step:
        """The step of a name. Raises `UserError` if there is none."""
        step = next((step for step in self.steps if step.name == name), None)
        if step is None:
            names = [step.name for step in self.steps]
            raise UserError(
                f'the pipeline has no step "{name}"',
                code="step-unknown",
                where=self.name,
                hint=did_you_mean(name, names),
            )
        return step

    def after(self, name: str) -> frozenset[str]:
        """The steps that need this one, directly or through others."""
        dependents = {name}
        for step in self.steps:
            if dependents.intersection(step.needs):
                dependents.add(step.name)
        return frozenset(dependents - {name})


def is_chain(steps: Sequence[Step]) -> bool:
    """Whether no two of these, which are in their order, could run at once."""
    depths: dict[str, int] = {}
    for step in steps:
        depths[step.name] = 1 + max((depths.get(name, 0) for name in step.needs), default=0)
    return len(set(depths.values())) == len(depths)


def pipeline_of(job: Job, read: Read, find: Find = nothing) -> Pipeline:
    """The pipeline of a job of kind "pipeline".

    `find` finds the files of the workspace that stand for registered components; without it they
    stay Azure ML's.

    Raises `UserError` for a cycle, an unknown reference, or a missing component file. A step that
    cannot run here has a `problem`.
    """
    document = job.document
    inputs: dict[str, Bound] = {
        name: replace(input_, origin=name) for name, input_ in job.inputs.items()
    }
    level = Level(job.text, document, (), job.name, inputs, "", read, find)
    if isinstance(document.get("component"), str) and "jobs" not in document:
        position = job.text.where("component")
        level = level.component_level(document["component"], inputs, "", position)
    steps, made_by = level.steps()
    for step in steps:
        made_by.update({parent: (step.name, output) for output, parent in step.gives.items()})
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
    """The compute of steps that name none; "" if the pipeline has no default."""
    settings = job.document.get("settings")
    default = settings.get("default_compute") if isinstance(settings, dict) else None
    return job.compute or str(default or "")


def swept(job: Job, read: Read, find: Find = nothing) -> Job:
    """A sweep whose trial is a component in its own file, with that component's contents.

    They are its command, code and environment. Any other sweep is unchanged.
    """
    trial = job.document.get("trial")
    if not isinstance(trial, str):
        return job
    level = Level(job.text, job.document, (), job.name, dict(job.inputs), "", read, find)
    (step, *_), _ = level.step("", job.document, [])
    if step.problem is not None:
        raise step.problem
    return step.job


def _require_outputs(steps: Sequence[Step], job: Job) -> None:
    """Raises `UserError` if a step takes an output that the other step does not declare."""
    by_name = {step.name: step for step in steps}
    for step in steps:
        for key, (earlier, output) in step.takes.items():
            source = by_name.get(earlier)  # None: a pipeline component without such an output
            if source and (source.problem is not None or output in source.job.outputs):
                continue
            known = list(source.job.outputs) if source else []
            path = ("jobs", step.name.split(".")[0], "inputs", key)
            raise UserError(
                f'the step "{step.name}" takes the output "{output}" of "{earlier}", which does '
                "not declare it",
                code="output-undeclared",
                where=job.text.where(*path),
                hint=did_you_mean(output, known)
                or f"Write {output}: under the outputs of {earlier}",
                meant=(
                    job.text.where_word(path, "outputs.", output),
                    close_words(output, known),
                ),
            )


def _in_order(steps: Sequence[Step], job: Job) -> tuple[Step, ...]:
    """Each step after those that it needs, else in the file's order.

    Raises `UserError` for a cycle.
    """
    remaining = {step.name: step for step in steps}
    ordered: list[Step] = []
    while remaining:
        ready = next(
            (step for step in remaining.values() if not any(n in remaining for n in step.needs)),
            None,
        )
        if ready is None:
            cycle = _cycle(remaining)
            raise UserError(
                f"steps need each other: {' <- '.join(cycle)}",
                code="step-cycle",
                where=job.text.where("jobs", cycle[0]),
                hint="Take one of these inputs from elsewhere",
            )
        ordered.append(remaining.pop(ready.name))
    return tuple(ordered)


def _cycle(remaining: Mapping[str, Step]) -> list[str]:
    path = [next(iter(remaining))]
    while True:
        following = next(need for need in remaining[path[-1]].needs if need in remaining)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
