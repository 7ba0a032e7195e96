"""A whole job as a Workflow's specification.

A job is one pod, or one pod for each node; a sweep is a fan-out, a pipeline a DAG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..model.asset_files import Find, nothing
from ..model.experiment import Experiment
from ..model.jobs import sweep
from ..model.jobs.job import Input, Job
from ..model.jobs.mlflow_env import TRACKING
from ..model.jobs.pipeline import Pipeline, Read, Step, pipeline_of, swept
from ..model.lint.argo_rules import no_sweep_in_a_pipeline
from ..model.settings.argo_settings import ArgoSetting
from ..model.settings.settings import Settings
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import pod, resource_names
from .escaping import escape, placeholder, to_argo
from .headless_service import RENDEZVOUS, with_service
from .task import StepInput, Task

Json = dict[str, Any]
API = "argoproj.io/v1alpha1"
LABEL = "innerloop/experiment"
WORKFLOW = placeholder("workflow.name")


@dataclass(frozen=True, slots=True)
class Subject:
    """`image(job)` is the image of a job's pods and its pull policy; `read` reads a component file.

    `find` finds the files of the workspace that stand for registered components.
    """

    experiment: Experiment
    job: Job
    argo: ArgoSetting
    image: Callable[[Job], tuple[str, str]]
    read: Read
    find: Find = nothing

    @property
    def settings(self) -> Settings:
        return self.experiment.settings


@dataclass(frozen=True, slots=True)
class WorkflowPlan:
    """`tasks` run in pods; `templates` are Argo's others.

    `timeout` is in seconds, None for none. `notes` name the differences from Azure ML.
    """

    tasks: tuple[Task, ...]
    templates: tuple[Json, ...] = ()
    timeout: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> Json:
        argo = self.tasks[0].argo
        spec: Json = {"entrypoint": "main"}
        if argo.service_account:
            spec["serviceAccountName"] = argo.service_account
        if argo.image_pull_secrets:
            spec["imagePullSecrets"] = [{"name": name} for name in argo.image_pull_secrets]
        if self.timeout:
            spec["activeDeadlineSeconds"] = self.timeout
        if argo.keep is not None:
            spec["ttlStrategy"] = {"secondsAfterCompletion": argo.keep}
        pods = [template for task in self.tasks for template in pod.templates(task)]
        spec["templates"] = [*self.templates, *pods]
        return with_service(spec, self.tasks)


def workflow_plan(subject: Subject) -> WorkflowPlan:
    """The workflow of a job. Raises `UserError` for what Argo cannot run."""
    if subject.job.kind == "pipeline":
        return _pipeline(subject)
    if subject.job.kind == "sweep":
        return _sweep(subject)
    task = _task(subject, subject.job, "main", WORKFLOW)
    return WorkflowPlan((task,), notes=_notes(subject.job))


def _task(subject: Subject, job: Job, name: str, run_id: str, **more: Any) -> Task:
    image, pull = subject.image(job)
    return Task(name, job, image, subject.settings, subject.argo, run_id, pull, **more)


def _notes(job: Job) -> tuple[str, ...]:
    notes = []
    if job.docker_args:
        notes.append("resources.docker_args is for Docker only: a pod does not use it")
    if job.ports:
        notes.append("services are not published: `kubectl port-forward` reaches a pod's port")
    return tuple(notes)


def _sweep(subject: Subject) -> WorkflowPlan:
    """Each trial calls the template `trial` with its values."""
    job = swept(subject.job, subject.read, subject.find)
    trials = sweep.trials(job, None)
    parameters = {name: resource_names.of_value(name) for name in job.search_space}
    width = len(str(len(trials)))
    items = [
        {
            "trial": f"trial-{number:0{width}}",
            **{parameters[name]: escape(value) for name, value in values.items()},
        }
        for number, values in enumerate(trials, 1)
    ]
    space = {
        name: placeholder(f"inputs.parameters.{parameter}")
        for name, parameter in parameters.items()
    }
    trial = sweep.trial_job(job, space)
    variables = {**TRACKING, **trial.environment_variables}
    name = placeholder("inputs.parameters.trial")
    task = _task(
        subject, replace(trial, environment_variables=variables), "trial", f"{WORKFLOW}-{name}",
        folder=name, parameters=("trial", *parameters.values()),
    )  # fmt: skip
    arguments = [
        {"name": parameter, "value": to_argo(placeholder(f"item.{parameter}"))}
        for parameter in task.parameters
    ]
    dag_task = {
        "name": "trial",
        "template": "trial",
        "arguments": {"parameters": arguments},
        "withItems": items,
    }
    main: Json = {"name": "main", "dag": {"failFast": False, "tasks": [dag_task]}}
    if (limit := _max_concurrent(job)) is not None:
        main["parallelism"] = limit
    notes = [*_notes(job), sweep.sampling_note(job), sweep.ending_note(job)]
    notes = [note for note in notes if note]
    return WorkflowPlan((task,), (main,), sweep.total_timeout(job), tuple(notes))


def _max_concurrent(job: Job) -> int | None:
    limits = job.document.get("limits")
    limit = limits.get("max_concurrent_trials") if isinstance(limits, dict) else None
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None


def _pipeline(subject: Subject) -> WorkflowPlan:
    pipeline = pipeline_of(subject.job, subject.read, subject.find)
    names = dict(_task_names(pipeline))
    tasks, dag_tasks = [], []
    for step in pipeline.steps:
        task = _step(subject, pipeline, step, names)
        tasks.append(task)
        dag_tasks.append(_dag_task(task, step, names))
    main = {
        "name": "main",
        "dag": {"failFast": not pipeline.continue_on_step_failure, "tasks": dag_tasks},
    }
    notes = dict.fromkeys(note for step in pipeline.steps for note in _notes(step.job))
    return WorkflowPlan(tuple(tasks), (main,), notes=tuple(notes))


def _task_names(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Each step's name and its task's; "main" is the DAG itself."""
    used = {"main", RENDEZVOUS}
    for step in pipeline.steps:
        name = resource_names.label(step.name, 40)
        while name in used:
            name = f"{name}-x"
        used.add(name)
        yield step.name, name


def _step(subject: Subject, pipeline: Pipeline, step: Step, names: Mapping[str, str]) -> Task:
    job = subject.job
    if step.problem is not None:
        raise step.problem
    if step.job.kind != "command":
        raise no_sweep_in_a_pipeline(job, step)
    _require_values(job, step)
    step_inputs = {
        name: StepInput(names[source], output, pipeline.step(source).job.outputs[output].is_file)
        for name, (source, output) in step.takes.items()
    }
    used_outputs = {
        output for later in pipeline.steps for source, output in later.takes.values()
        if source == step.name
    }  # fmt: skip
    name = names[step.name]
    return _task(
        subject, step.job, name, f"{WORKFLOW}-{name}", folder=name, step_inputs=step_inputs,
        used_outputs=frozenset(used_outputs),
    )  # fmt: skip


def _require_values(job: Job, step: Step) -> None:
    for input_ in step.job.inputs.values():
        is_missing = input_.kind == "literal" and input_.value is None
        if is_missing and input_.origin and not input_.optional:
            raise UserError(
                f'the step "{step.name}" takes the input "{input_.origin}", which has no value',
                code="input-without-value",
                where=job.text.where("inputs", input_.origin),
                hint=f"Set one with --set inputs.{input_.origin}=VALUE",
            )


def _dag_task(task: Task, step: Step, names: Mapping[str, str]) -> Json:
    dag_task: Json = {"name": task.name, "template": task.name}
    if step.needs:
        dag_task["depends"] = " && ".join(names[earlier] for earlier in step.needs)
    if task.step_inputs and task.argo.outputs is None:
        dag_task["arguments"] = {
            "artifacts": [
                {
                    "name": name,
                    "from": to_argo(
                        placeholder(f"tasks.{input_.task}.outputs.artifacts.{input_.output}")
                    ),
                }
                for name, input_ in task.step_inputs.items()
            ]
        }
    return dag_task


def manifest(plan: WorkflowPlan, experiment: Experiment, *, name: str, namespace: str) -> Json:
    """The Workflow that `loop submit --backend argo` creates."""
    metadata: Json = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = labels(experiment, plan.tasks[0].argo)
    return {"apiVersion": API, "kind": "Workflow", "metadata": metadata, "spec": plan.spec}


def labels(experiment: Experiment, argo: ArgoSetting) -> dict[str, str]:
    return {LABEL: resource_names.label_value(experiment.slug), **argo.labels}


def with_parameters(job: Job) -> Job:
    """The job with each literal as a parameter of the workflow.

    For a WorkflowTemplate, which can be started with other values.
    """
    inputs: dict[str, Input] = {
        name: (
            replace(input_, value=placeholder(f"workflow.parameters.{name}"))
            if input_.kind == "literal" and input_.has_value
            else input_
        )
        for name, input_ in job.inputs.items()
    }
    return replace(job, inputs=inputs)
