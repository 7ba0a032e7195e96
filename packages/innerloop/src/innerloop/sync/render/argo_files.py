"""`orchestration/argo/<slug>.yml`.

It has a WorkflowTemplate of the experiment and the CronWorkflow that starts it on a schedule. A
GitOps tool applies them to the cluster; started by hand, the template has the job's inputs as
parameters.

Images are parameters, because a generated file must not change with every line of code: the default
is the tag of the newest push (`loop image push`), and a digest selects one image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...argo_manifest import image_names, resource_names, workflow
from ...argo_manifest.escaping import escape, placeholder
from ...model.settings import argo_settings
from ...model.settings.orchestrators import ARGO
from ...util.yaml_writer import documents
from .generated_files import Specification
from .workflow_context import PATHS, header

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

Json = dict[str, Any]


def render(
    specification: Specification, experiment: Experiment, job: Job, schedule: Schedule
) -> str:
    """`job` includes the schedule's overrides."""
    argo = argo_settings.read(experiment.settings.argo)
    images: dict[str, str] = {}

    def image(step: Job) -> tuple[str, str]:
        """The image of the job or of a step, and its pull policy; registers the parameter."""
        if image_names.is_bare(step):
            return str(step.environment.image), "IfNotPresent"
        variant = image_names.variant(experiment, step)
        name = f"image-{variant}" if variant else "image"
        while name in job.inputs:
            name = f"run-{name}"
        images[name] = image_names.floating_tag(
            specification.workspace.settings.registry, experiment, variant
        )
        return placeholder(f"workflow.parameters.{name}"), "Always"

    subject = workflow.Subject(
        experiment,
        workflow.with_parameters(job),
        argo,
        image,
        specification.read,
        specification.find,
    )
    plan = workflow.workflow_plan(subject)
    name = resource_names.label(experiment.slug, resource_names.LONGEST_CRON)
    metadata: Json = {"name": name, "labels": workflow.labels(experiment, argo)}
    if argo.namespace:
        metadata["namespace"] = argo.namespace
    spec = plan.spec  # calls `image`
    parameters = [
        *_inputs(job, schedule),
        *({"name": parameter, "value": value} for parameter, value in images.items()),
    ]
    template = {
        "apiVersion": workflow.API,
        "kind": "WorkflowTemplate",
        "metadata": metadata,
        "spec": {
            "workflowMetadata": {"labels": metadata["labels"]},
            **({"arguments": {"parameters": parameters}} if parameters else {}),
            **spec,
        },
    }
    path = PATHS[ARGO].format(slug=experiment.slug)
    comment = [
        *header(path, experiment.paths.settings, job.name),
        "",
        f"The cluster is meant to follow the branch {schedule.branch}. There, push the image first:",
        f"`scripts/loop image push {experiment.name}`.",
    ]
    return documents([template, _cron(metadata, schedule)], comment)


def _inputs(job: Job, schedule: Schedule) -> Iterator[Json]:
    """Each literal input, with the values that the schedule allows."""
    for name, input_ in job.inputs.items():
        if input_.kind != "literal" or not input_.has_value:
            continue
        parameter: Json = {"name": name, "value": escape(input_.literal_text)}
        if allowed := schedule.allowed.get(name):
            parameter["enum"] = [escape(str(value)) for value in allowed]
        yield parameter


def _cron(metadata: Json, schedule: Schedule) -> Json:
    return {
        "apiVersion": workflow.API,
        "kind": "CronWorkflow",
        "metadata": metadata,
        "spec": {
            "schedules": [schedule.cron.text],
            "timezone": "UTC",
            "concurrencyPolicy": "Forbid",  # not while the run before is unfinished
            "startingDeadlineSeconds": 3600,
            "workflowMetadata": {"labels": metadata["labels"]},
            "workflowSpec": {"workflowTemplateRef": {"name": metadata["name"]}},
        },
    }
