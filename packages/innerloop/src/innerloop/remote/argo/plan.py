"""A submission to a cluster, complete before anything is built, pushed or sent."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...argo_manifest import image_names, resource_names, workflow
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.jobs.pipeline import pipeline_of, swept
from ...model.lint.argo_rules import check_argo
from ...model.lint.finding import Finding, Severity
from ...model.lint.job_file import check
from ...model.run import Request, Run
from ...model.run_secrets import secrets_of_job
from ...model.settings import argo_settings
from ...model.settings.argo_settings import ArgoSetting
from ...model.workspace import Workspace
from ...runner.started_run import new_id
from ...util import yaml_writer
from ...util.errors import UsageError, UserError
from ...util.quick_dataclasses import dataclass
from ...workspace.loader import WorkspaceFiles
from .. import job_text
from ..base import SubmissionOrder
from ..snapshot import SuspectedSecret
from ..submission_store import job_inputs
from . import images, workflow_request
from .cluster_ref import ClusterRef
from .images import RunImage
from .workflow_request import WorkflowRequest

READERS = "everybody who may read the registry"


@dataclass(frozen=True, slots=True)
class ArgoSubmission:
    """`request` has the manifest; `images`, by variant, must be in the registry before it is sent.

    `fingerprint` is the same for the same job and images to the same cluster. `cluster` is None
    until the cluster has been asked. `is_named`: the user chose the name.
    """

    workspace: Workspace
    experiment: Experiment
    job: Job
    name: str
    setting: ArgoSetting
    images: Mapping[str, RunImage]
    request: WorkflowRequest
    fingerprint: str
    sets: tuple[str, ...]
    is_named: bool = False
    cluster: ClusterRef | None = None

    @property
    def missing(self) -> list[UserError]:
        """What a real submission needs and does not have."""
        errors = [image.missing for image in self.images.values() if image.missing is not None]
        if self.images:
            try:
                images.require_registry(self.workspace)
            except UserError as error:
                errors.append(error)
        return errors

    @property
    def readers(self) -> str:
        return READERS

    @property
    def suspects(self) -> list[tuple[str, SuspectedSecret]]:
        return [suspect for image in self.images.values() for suspect in image.suspects]

    @property
    def notes(self) -> list[str]:
        missing = [f"a real submission needs more: {error.message()}" for error in self.missing]
        return [*self.request.first.notes, *missing]

    @property
    def file_of_name(self) -> str:
        return ""

    @property
    def kept(self) -> str:
        """Where ./outputs are in the cluster."""
        store = self.setting.outputs
        if store is None:
            return "Argo's artifact repository, artifact outputs"
        ((kind, source),) = store.source.items()
        volume = source.get("claimName") or source.get("path") or kind
        server = f"{source['server']}:" if "server" in source else ""
        return "/".join(filter(None, [f"{server}{volume}", store.path, self.name]))

    def json(self) -> dict[str, Any]:
        """What is shown of it, without secrets; the manifest is as it is sent."""
        redaction = secrets_of_job(self.job, os.environ, self.sets)
        document = {
            **self.request.json(),
            "job": self.name,
            "kind": self.job.kind,
            "file": self.job.name,
            "images": [
                {
                    "reference": image.reference,
                    "moving": image.floating_name,
                    "digest": image.digest,
                }
                for image in self.images.values()
            ],
            "fingerprint": self.fingerprint,
        }
        return {
            key: value if key == "manifest" else redaction.tree(value)
            for key, value in document.items()
        }

    def text(self) -> str:
        """The manifest as YAML."""
        return yaml_writer.document(dict(self.request.manifest))

    def preview(self) -> Iterator[tuple[str, str]]:
        redaction = secrets_of_job(self.job, os.environ, self.sets)
        return ((title, redaction.text(text)) for title, text in self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        if self.cluster is not None:
            yield "cluster", f"{self.cluster.server}, namespace {self.cluster.namespace}"
        yield "job", f"{self.name} ({self.job.kind})"
        for pod in self.request.pods:
            if len(self.request.pods) > 1:
                yield "pod", pod.template
            yield "command", " ".join(pod.command.split())
            yield "image", pod.image
        for index, (name, value) in enumerate(job_inputs(self.job).items()):
            yield "" if index else "inputs", f"{name} = {value}"
        yield "outputs", self.kept
        for note in self.request.first.notes:
            yield "note", note


def plan(order: SubmissionOrder) -> tuple[ArgoSubmission | None, list[Finding]]:
    """The submission, and the findings in the job; None with findings that prevent it."""
    workspace, experiment = order.workspace, order.experiment
    root = Path(workspace.root)
    setting = argo_settings.read(experiment.settings.argo)
    job, findings = job_text.read(order)
    findings = _errors(findings)  # what Azure ML alone refuses runs in a cluster
    if job is None or findings:
        return None, findings
    disk = WorkspaceFiles(root)
    findings = list(check_argo(job, experiment.settings, setting, disk.read, disk.find_asset))
    if _errors(findings):
        return None, findings
    name = _workflow_name(experiment, order.name)
    run_images = images.images_of_jobs(workspace, experiment, jobs_of(workspace, job))
    submission = ArgoSubmission(
        workspace=workspace,
        experiment=experiment,
        job=job,
        name=name,
        setting=setting,
        images=run_images,
        request=_workflow_request(workspace, experiment, job, setting, run_images, name),
        fingerprint=_fingerprint(job, setting, run_images),
        sets=order.sets,
        is_named=order.name is not None,
    )
    return submission, findings


def plan_run(run: Run) -> Request:
    """The request of a run's pod, or of the first one."""
    setting = argo_settings.read(run.experiment.settings.argo)
    jobs = jobs_of(run.workspace, run.job)
    run_images = images.images_of_jobs(run.workspace, run.experiment, jobs)
    name = _workflow_name(run.experiment, None)
    request = _workflow_request(run.workspace, run.experiment, run.job, setting, run_images, name)
    return request.first


def lint(root: Path, experiment: Experiment, job: Job) -> list[Finding]:
    """Errors of the job file, and what the job would not find in a cluster."""
    files = WorkspaceFiles(root)
    errors = _errors(check(job, files))
    if errors:
        return errors
    setting = argo_settings.read(experiment.settings.argo)
    return list(check_argo(job, experiment.settings, setting, files.read, files.find_asset))


def _errors(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _fingerprint(job: Job, setting: ArgoSetting, run_images: Mapping[str, RunImage]) -> str:
    tags = sorted(image.named for image in run_images.values())
    fields = [setting.context, setting.namespace, job.document, tags]
    text = json.dumps(fields, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_images(
    submission: ArgoSubmission, pushed: Mapping[str, RunImage], namespace: str
) -> ArgoSubmission:
    """The submission with its images by digest, in the namespace that the cluster named."""
    setting = replace(submission.setting, namespace=namespace)
    request = _workflow_request(
        submission.workspace, submission.experiment, submission.job, setting, pushed,
        submission.name,
    )  # fmt: skip
    return replace(submission, setting=setting, images=pushed, request=request)


def renamed(submission: ArgoSubmission, name: str) -> ArgoSubmission:
    request = _workflow_request(
        submission.workspace, submission.experiment, submission.job, submission.setting,
        submission.images, name,
    )  # fmt: skip
    return replace(submission, name=name, request=request)


def _workflow_request(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    setting: ArgoSetting,
    run_images: Mapping[str, RunImage],
    name: str,
) -> WorkflowRequest:
    def image(step: Job) -> tuple[str, str]:
        if image_names.is_bare(step):
            return str(step.environment.image), "IfNotPresent"
        return run_images[image_names.variant(experiment, step)].reference, "IfNotPresent"

    disk = WorkspaceFiles(Path(workspace.root))
    subject = workflow.Subject(experiment, job, setting, image, disk.read, disk.find_asset)
    workflow_plan = workflow.workflow_plan(subject)
    return workflow_request.plan_workflow(
        workflow_plan, experiment, name=name, namespace=setting.namespace
    )


def jobs_of(workspace: Workspace, job: Job) -> list[Job]:
    """The jobs with a command: the job itself, a sweep's trial, or a pipeline's steps."""
    disk = WorkspaceFiles(Path(workspace.root))
    if job.kind == "pipeline":
        steps = pipeline_of(job, disk.read, disk.find_asset).steps
        return [step.job for step in steps if step.problem is None]
    return [swept(job, disk.read, disk.find_asset) if job.kind == "sweep" else job]


def _workflow_name(experiment: Experiment, name: str | None) -> str:
    """The name that the user chose, or one from the experiment and the time.

    A Service may get this name too, so it begins with a letter.
    """
    if name is not None and not resource_names.is_label(name):
        raise UsageError(
            f'"{name}" is not a valid name for a Workflow',
            code="job-name-invalid",
            hint="Use lower-case letters, digits and -, at most 63, and begin with a letter",
        )
    return name or f"{resource_names.label(experiment.slug, 40)}-{new_id()}"
