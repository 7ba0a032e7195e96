"""What a submission to a cluster would be, whole, before anything is built, pushed or sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...argo_manifest import image_names, resource_names, workflow
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.jobs.overrides import parse_job_with
from ...model.jobs.pipeline import pipeline_of, swept
from ...model.lint.argo_rules import check_argo
from ...model.lint.finding import Finding, Severity
from ...model.lint.job_file import check, read_and_check
from ...model.settings import argo_settings
from ...model.settings.argo_settings import ArgoSetting
from ...model.workspace import Workspace
from ...runner.plan import new_id
from ...util import files
from ...util.errors import UsageError, UserError
from ...workspace import loader
from ..progress import say_secrets
from . import backend, images
from .backend import Wanted
from .images import RunImage


@dataclass(frozen=True, slots=True)
class Submission:
    """`wanted` is the request with its manifest; `images` what has to be in the registry first;
    `fingerprint` is the same for the same job and images to the same cluster."""

    experiment: Experiment
    job: Job
    name: str
    setting: ArgoSetting
    images: Mapping[str, RunImage]
    wanted: Wanted
    fingerprint: str
    sets: tuple[str, ...]
    hints: tuple[Finding, ...] = ()

    @property
    def lacking(self) -> list[UserError]:
        return [one.missing for one in self.images.values() if one.missing is not None]


def plan(
    workspace: Workspace,
    experiment: Experiment,
    *,
    file: str,
    sets: Sequence[str] = (),
    name: str | None = None,
) -> tuple[Submission | None, list[Finding]]:
    """The submission, and what is wrong with the job; None with findings that stand in the way."""
    root = Path(workspace.root)
    setting = argo_settings.read(experiment.settings.argo)
    job, findings = _checked(root, experiment, setting, file, sets)
    if job is None:
        return None, findings
    chosen = _name(job, experiment, name)
    wanted = images.of_jobs(workspace, experiment, jobs_of(workspace, job))
    made = Submission(
        experiment, job, chosen, setting, wanted,
        _wanted(workspace, experiment, job, setting, wanted, chosen),
        _fingerprint(job, setting, wanted), tuple(sets),
        tuple(findings),
    )  # fmt: skip
    return made, findings


def _fingerprint(job: Job, setting: ArgoSetting, wanted: Mapping[str, RunImage]) -> str:
    tags = sorted(one.named for one in wanted.values())
    told = [setting.context, setting.namespace, job.document, tags]
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_images(
    workspace: Workspace, submission: Submission, pushed: Mapping[str, RunImage], namespace: str
) -> Submission:
    """The same with the images by their digests, in the namespace that the cluster has said."""
    setting = replace(submission.setting, namespace=namespace)
    wanted = _wanted(
        workspace, submission.experiment, submission.job, setting, pushed, submission.name
    )
    return replace(submission, setting=setting, images=pushed, wanted=wanted)


def _wanted(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    setting: ArgoSetting,
    wanted: Mapping[str, RunImage],
    name: str,
) -> Wanted:
    def image(one: Job) -> tuple[str, str]:
        if image_names.is_bare(one):
            return str(one.environment.image), "IfNotPresent"
        return wanted[image_names.variant(experiment, one)].reference, "IfNotPresent"

    read = loader.WorkspaceFiles(Path(workspace.root)).read
    whole = workflow.workflow_plan(workflow.Subject(experiment, job, setting, image, read))
    return backend.request(whole, experiment, name=name, namespace=setting.namespace)


def jobs_of(workspace: Workspace, job: Job) -> list[Job]:
    """Those that have a command: the job itself, a sweep's trial, a pipeline's steps."""
    read = loader.WorkspaceFiles(Path(workspace.root)).read
    if job.kind == "pipeline":
        return [step.job for step in pipeline_of(job, read).steps if step.problem is None]
    return [swept(job, read) if job.kind == "sweep" else job]


def _checked(
    root: Path, experiment: Experiment, setting: ArgoSetting, file: str, sets: Sequence[str]
) -> tuple[Job | None, list[Finding]]:
    """What only Azure ML would refuse does not stand in the way."""
    path = f"{experiment.folder}/{file}"
    text = files.read_text(root / path)
    if text is None:
        hint = "It says what to run; `scripts/loop help job` shows the shortest one"
        raise UserError("there is no such job file", where=path, hint=hint)
    disk = loader.WorkspaceFiles(root)
    job: Job | None
    if sets:
        job = parse_job_with(text, path, sets)
        findings = check(job, disk)
    else:
        job, findings = read_and_check(text, path, disk)
    findings = [one for one in findings if one.severity is Severity.ERROR]
    if findings or job is None:
        return None, findings
    findings = list(check_argo(job, experiment.settings, setting, disk.read))
    blocked = any(one.severity is Severity.ERROR for one in findings)
    return (None if blocked else job), findings


def _name(job: Job, experiment: Experiment, given: str | None) -> str:
    """A person's own, or one of the experiment and the time. A Service may get it, so it begins with
    a letter."""
    if given is not None and not resource_names.is_label(given):
        hint = "Write small letters, digits and -, at most 63, and begin with a letter"
        raise UsageError(f'"{given}" is no name for a Workflow', hint=hint)
    return given or f"{resource_names.label(experiment.slug, 40)}-{new_id()}"


def refuse_secrets(wanted: Sequence[RunImage], allowed: bool) -> None:
    suspects = [
        (one.code.folder, suspect) for one in wanted if one.code for suspect in one.code.suspects
    ]
    say_secrets(suspects)
    if suspects and not allowed:
        raise UserError(
            "nothing was pushed: the files above look like secrets, and everybody who may read the "
            "registry could read them",
            hint="Leave them out in .amlignore, or take them along with --allow-secrets",
        )


def told(submission: Submission) -> dict[str, Any]:
    """What `--dry-run --json` says beside the request."""
    return {
        "job": submission.name,
        "kind": submission.job.kind,
        "file": submission.job.name,
        "images": [
            {"reference": one.reference, "moving": one.moving, "digest": one.digest}
            for one in submission.images.values()
        ],
        "fingerprint": submission.fingerprint,
    }
