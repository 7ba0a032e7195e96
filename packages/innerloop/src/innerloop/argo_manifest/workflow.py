"""A whole job as a Workflow's specification: one pod, one for each node, a sweep as a fan-out, a
pipeline as a DAG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..model.experiment import Experiment
from ..model.jobs import sweep
from ..model.jobs.job import Input, Job
from ..model.jobs.mlflow_env import TRACKING
from ..model.jobs.pipeline import Pipeline, Read, Step, pipeline_of, swept
from ..model.lint.argo_rules import no_sweep_in_a_pipeline
from ..model.settings.argo_settings import ArgoSetting
from ..model.settings.settings import Settings
from ..util.errors import UserError
from . import pod, resource_names
from .escaping import escape, placeholder, to_argo
from .headless_service import RENDEZVOUS, with_service
from .task import Handed, Part

Json = dict[str, Any]
API = "argoproj.io/v1alpha1"
LABEL = "innerloop/experiment"
WORKFLOW = placeholder("workflow.name")


@dataclass(frozen=True, slots=True)
class Subject:
    """`image(job)` is what a job's pods start from and when to ask the registry for it; `read` gives
    a component file's text."""

    experiment: Experiment
    job: Job
    argo: ArgoSetting
    image: Callable[[Job], tuple[str, str]]
    read: Read

    @property
    def settings(self) -> Settings:
        return self.experiment.settings


@dataclass(frozen=True, slots=True)
class Whole:
    """`parts` are what runs in pods; `templates` what Argo needs beside those. `notes` say what
    differs from Azure ML."""

    parts: tuple[Part, ...]
    templates: tuple[Json, ...] = ()
    timeout: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> Json:
        argo = self.parts[0].argo
        made: Json = {"entrypoint": "main"}
        if argo.service_account:
            made["serviceAccountName"] = argo.service_account
        if argo.image_pull_secrets:
            made["imagePullSecrets"] = [{"name": one} for one in argo.image_pull_secrets]
        if self.timeout:
            made["activeDeadlineSeconds"] = self.timeout
        if argo.keep is not None:
            made["ttlStrategy"] = {"secondsAfterCompletion": argo.keep}
        pods = [one for part in self.parts for one in pod.templates(part)]
        made["templates"] = [*self.templates, *pods]
        return with_service(made, self.parts)


def whole(subject: Subject) -> Whole:
    if subject.job.kind == "pipeline":
        return _pipeline(subject)
    if subject.job.kind == "sweep":
        return _sweep(subject)
    return Whole((_part(subject, subject.job, "main", WORKFLOW),), notes=_notes(subject.job))


def _part(subject: Subject, job: Job, name: str, run_id: str, **more: Any) -> Part:
    image, pull = subject.image(job)
    return Part(name, job, image, subject.settings, subject.argo, run_id, pull, **more)


def _notes(job: Job) -> tuple[str, ...]:
    told = []
    if job.docker_args:
        told.append("resources.docker_args is Docker's own: a pod does not take it")
    if job.ports:
        told.append("services are not published: `kubectl port-forward` reaches a pod's port")
    return tuple(told)


def _sweep(subject: Subject) -> Whole:
    """Each trial is the template `trial` called with its values."""
    job = swept(subject.job, subject.read)
    drawn = sweep.trials(job, None)
    called = {name: resource_names.of_value(name) for name in job.search_space}
    width = len(str(len(drawn)))
    items = [
        {
            "trial": f"trial-{number:0{width}}",
            **{called[name]: escape(value) for name, value in values.items()},
        }
        for number, values in enumerate(drawn, 1)
    ]
    space = {name: placeholder(f"inputs.parameters.{called[name]}") for name in job.search_space}
    trial = sweep.trial_job(job, space)
    variables = {**TRACKING, **trial.environment_variables}
    name = placeholder("inputs.parameters.trial")
    part = _part(
        subject, replace(trial, environment_variables=variables), "trial", f"{WORKFLOW}-{name}",
        folder=name, needs=("trial", *called.values()),
    )  # fmt: skip
    parameters = [{"name": one, "value": to_argo(placeholder(f"item.{one}"))} for one in part.needs]
    task = {
        "name": "trial",
        "template": "trial",
        "arguments": {"parameters": parameters},
        "withItems": items,
    }
    main: Json = {"name": "main", "dag": {"failFast": False, "tasks": [task]}}
    if (limit := _at_once(job)) is not None:
        main["parallelism"] = limit
    notes = [*_notes(job), sweep.sampling_note(job), sweep.ending_note(job)]
    told = tuple(note for note in notes if note)
    return Whole((part,), (main,), sweep.total_timeout(job), told)


def _at_once(job: Job) -> int | None:
    limits = job.document.get("limits")
    given = limits.get("max_concurrent_trials") if isinstance(limits, dict) else None
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None


def _pipeline(subject: Subject) -> Whole:
    pipeline = pipeline_of(subject.job, subject.read)
    called = dict(_called(pipeline))
    parts, tasks = [], []
    for step in pipeline.steps:
        part = _step(subject, pipeline, step, called)
        parts.append(part)
        tasks.append(_task(part, step, called))
    main = {
        "name": "main",
        "dag": {"failFast": not pipeline.continue_on_step_failure, "tasks": tasks},
    }
    notes = {note: None for step in pipeline.steps for note in _notes(step.job)}
    return Whole(tuple(parts), (main,), notes=tuple(notes))


def _called(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Each step's name as a task; "main" is the DAG itself."""
    taken = {"main", RENDEZVOUS}
    for step in pipeline.steps:
        name = resource_names.label(step.name, 40)
        while name in taken:
            name = f"{name}-x"
        taken.add(name)
        yield step.name, name


def _step(subject: Subject, pipeline: Pipeline, step: Step, called: Mapping[str, str]) -> Part:
    job = subject.job
    if step.problem is not None:
        raise step.problem
    if step.job.kind != "command":
        raise no_sweep_in_a_pipeline(job, step)
    _require_values(job, step)
    handed = {
        name: Handed(called[other], output, pipeline.step(other).job.outputs[output].is_file)
        for name, (other, output) in step.takes.items()
    }
    taken = {
        output for later in pipeline.steps for other, output in later.takes.values()
        if other == step.name
    }  # fmt: skip
    name = called[step.name]
    return _part(
        subject, step.job, name, f"{WORKFLOW}-{name}", folder=name, handed=handed,
        taken=frozenset(taken),
    )  # fmt: skip


def _require_values(job: Job, step: Step) -> None:
    for one in step.job.inputs.values():
        if one.origin and not one.optional and one.kind == "literal" and one.value is None:
            raise UserError(
                f'the step "{step.name}" takes the input "{one.origin}", which has no value',
                code="input-without-value",
                where=job.text.where("inputs", one.origin),
                hint=f"Give it one with --set inputs.{one.origin}=VALUE",
            )


def _task(part: Part, step: Step, called: Mapping[str, str]) -> Json:
    made: Json = {"name": part.name, "template": part.name}
    if step.needs:
        made["depends"] = " && ".join(called[one] for one in step.needs)
    if part.handed and part.argo.outputs is None:
        made["arguments"] = {
            "artifacts": [
                {
                    "name": name,
                    "from": to_argo(
                        placeholder(f"tasks.{one.task}.outputs.artifacts.{one.output}")
                    ),
                }
                for name, one in part.handed.items()
            ]
        }
    return made


def manifest(whole: Whole, experiment: Experiment, *, name: str, namespace: str) -> Json:
    """The Workflow that `loop submit --backend argo` makes."""
    metadata: Json = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    argo = whole.parts[0].argo
    metadata["labels"] = labels(experiment, argo)
    return {"apiVersion": API, "kind": "Workflow", "metadata": metadata, "spec": whole.spec}


def labels(experiment: Experiment, argo: ArgoSetting) -> dict[str, str]:
    return {LABEL: resource_names.label_value(experiment.slug), **argo.labels}


def marked(job: Job) -> Job:
    """The job with each literal as a parameter of the workflow, for a template that is started
    with other values."""
    inputs: dict[str, Input] = {
        name: (
            replace(one, value=placeholder(f"workflow.parameters.{name}"))
            if one.kind == "literal" and one.has_value
            else one
        )
        for name, one in job.inputs.items()
    }
    return replace(job, inputs=inputs)
