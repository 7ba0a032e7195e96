"""`orchestration/argo/<slug>.yml`: a WorkflowTemplate of the experiment and the CronWorkflow that
starts it by time. A tool that keeps a cluster in line with a git branch puts them there; by hand a
Workflow of the template starts with the job's inputs as its parameters.

The images are parameters: what is rendered must not change with every line of code, so each names
the newest push (`loop image push`), and who wants one very image gives its digest.
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


def render(subject: Specification, experiment: Experiment, job: Job, schedule: Schedule) -> str:
    """`job` has the schedule's overrides in it."""
    argo = argo_settings.read(experiment.settings.argo)
    used: dict[str, str] = {}

    def image(one: Job) -> tuple[str, str]:
        if image_names.is_bare(one):
            return str(one.environment.image), "IfNotPresent"
        variant = image_names.variant(experiment, one)
        name = f"image-{variant}" if variant else "image"
        while name in job.inputs:
            name = f"run-{name}"
        used[name] = image_names.floating_tag(
            subject.workspace.settings.registry, experiment, variant
        )
        return placeholder(f"workflow.parameters.{name}"), "Always"

    whole = workflow.workflow_plan(
        workflow.Subject(experiment, workflow.with_parameters(job), argo, image, subject.read)
    )
    name = resource_names.label(experiment.slug, resource_names.LONGEST_CRON)
    metadata: Json = {"name": name, "labels": workflow.labels(experiment, argo)}
    if argo.namespace:
        metadata["namespace"] = argo.namespace
    spec = whole.spec  # asks for the images
    parameters = [
        *_inputs(job, schedule),
        *({"name": parameter, "value": value} for parameter, value in used.items()),
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
        *header(path, f"src/{experiment.name}/innerloop.toml", job.name),
        "",
        f"The branch {schedule.branch} is the one to keep a cluster in line with. There, push the",
        f"image first: `scripts/loop image push {experiment.name}`.",
    ]
    return documents([template, _cron(metadata, schedule)], comment)


def _inputs(job: Job, schedule: Schedule) -> Iterator[Json]:
    """Each plain value with what it may be changed to."""
    for name, one in job.inputs.items():
        if one.kind != "literal" or not one.has_value:
            continue
        parameter: Json = {"name": name, "value": escape(one.literal_text)}
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
            "concurrencyPolicy": "Forbid",  # not while the one before still runs
            "startingDeadlineSeconds": 3600,
            "workflowMetadata": {"labels": metadata["labels"]},
            "workflowSpec": {"workflowTemplateRef": {"name": metadata["name"]}},
        },
    }
