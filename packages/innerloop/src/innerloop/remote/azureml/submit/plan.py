"""A submission to Azure ML, complete before anything is sent: no sign-in, no network, no SDK."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....model.data_locations import locate
from ....model.experiment import Experiment
from ....model.jobs.environment_file import environment_of
from ....model.jobs.job import Job
from ....model.jobs.pipeline import Step, default_compute, pipeline_of, swept
from ....model.lint.finding import Finding, blocks_submission
from ....model.paths import code_here, code_root
from ....runner.started_run import new_id
from ....util.errors import UsageError, UserError
from ....util.late_patterns import late_pattern
from ....workspace import loader
from ....workspace.loader import WorkspaceFiles
from ... import job_text, snapshot, submission_store
from ...base import SubmissionOrder
from ...snapshot import Snapshot
from .. import job_request
from ..workspace_ref import WorkspaceRef
from .submission import (
    AzureSubmission,
    EnvironmentSummary,
    SubmissionPart,
    azure_name,
    workspace_fields,
)

# Source: Azure ML's published definition of a job's name.
_JOB_NAME = late_pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


def plan(
    order: SubmissionOrder, target: WorkspaceRef | None, unconnected: UserError | None = None
) -> tuple[AzureSubmission | None, list[Finding]]:
    """The submission, and the findings of `loop check`; None with findings that prevent it.

    `unconnected` says why there is no `target`.
    """
    root, experiment = Path(order.workspace.root), order.experiment
    disk = WorkspaceFiles(root)
    job, findings = job_text.read(order)
    if job is None or blocks_submission(findings):
        return None, findings
    name = _requested_name(job, order.name)
    steps = _steps(job, disk)
    parts = tuple(_plan_part(disk, step, default_compute(job)) for step in steps)
    codes = dict.fromkeys(part.code for part in parts if part.code is not None)
    snapshots = {code: snapshot.read(root, code) for code in codes}
    fingerprint = _fingerprint(job, parts, snapshots, target)
    earlier = submission_store.find_interrupted(root, fingerprint)
    if earlier is not None and name not in (None, earlier.name):
        earlier = None
    submission = AzureSubmission(
        experiment=experiment,
        job=job,
        name=name or (earlier.name if earlier else _new_name(experiment)),
        parts=parts,
        snapshots=snapshots,
        data=dict(_local_data(root, job, steps)),
        overrides=tuple(_overrides(job, experiment, order.sets)),
        sets=order.sets,
        target=target,
        fingerprint=fingerprint,
        known=dict(_sent_before(root, parts, snapshots, target)),
        resumes=earlier is not None and earlier.state == submission_store.SENDING,
        named=name is not None,
        unconnected=unconnected,
    )
    return submission, findings


def _steps(job: Job, disk: WorkspaceFiles) -> tuple[Step, ...]:
    """The steps of a pipeline, or the job itself as a step without a name.

    The component of a sweep is resolved.
    """
    if job.kind != "pipeline":
        return (Step("", swept(job, disk.read)),)
    return pipeline_of(job, disk.read).steps or (Step("", job),)


def _resolve_step(step: Step, disk: WorkspaceFiles) -> Job:
    """The step's job with its paths and its environment resolved.

    The outputs of earlier steps are paths, and an environment file is replaced by the environment
    that it describes.
    """
    taken = {
        name: replace(step.job.inputs[name], path=f"{other}.{output}")
        for name, (other, output) in step.takes.items()
    }
    environment = environment_of(step.job, disk.read)
    return replace(step.job, inputs={**step.job.inputs, **taken}, environment=environment)


def _plan_part(disk: WorkspaceFiles, step: Step, default_compute: str) -> SubmissionPart:
    job = _resolve_step(step, disk)
    return SubmissionPart(
        step=step.name,
        command=" ".join(job_request.command_of(job).split()),
        compute=(job.compute or default_compute).removeprefix("azureml:"),
        code=code_here(job.name, job.code),
        environment=_summarize_environment(disk.root, job),
        unread=step.problem.what if step.problem else "",
    )


def _summarize_environment(root: Path, job: Job) -> EnvironmentSummary:
    environment = job.environment
    words = job_request.describe_environment(environment, job)
    folder = code_root(job.name, environment.path) if environment.kind == "build" else None
    if folder is None or not (root / folder).is_dir():
        return EnvironmentSummary(words)
    context = snapshot.read(root, folder, contents=False)
    digest = loader.digest_of(root / folder)
    return EnvironmentSummary(words, digest, folder, context.size, len(context.files))


def _local_data(root: Path, job: Job, steps: Sequence[Step]) -> Iterator[tuple[str, Snapshot]]:
    """Data inputs with a path in the workspace, which Azure ML's client uploads with the job.

    Those of a pipeline's step are named STEP.INPUT.
    """
    inputs = [(name, job.name, input_) for name, input_ in job.inputs.items()]
    for step in steps if job.kind == "pipeline" else ():
        inputs += [
            (f"{step.name}.{name}", step.job.name, input_)
            for name, input_ in step.job.inputs.items()
            if name not in step.takes and name not in step.passes
        ]
    for name, file, input_ in inputs:
        path = input_.path or ""
        if input_.kind != "data" or not path or path.startswith("${{"):
            continue
        location = locate(file, path, input_.type)
        if location.is_here and (root / location.path).exists():
            yield name, snapshot.read(root, location.path, contents=False)


def _overrides(job: Job, experiment: Experiment, sets: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each --set with the value that it has in the job, so that our parser and Azure ML's agree.

    The experiment's name is added, which the client would take from its working directory.
    """
    for override in sets:
        path = override.partition("=")[0].strip()
        value: Any = job.document
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else _get(value, key)
        yield path, value
    if not job.experiment_name:
        yield "experiment_name", azure_name(experiment.name)


def _get(table: Mapping[Any, Any], key: str) -> Any:
    return next((value for own, value in table.items() if str(own) == key), None)


def _fingerprint(
    job: Job,
    parts: Sequence[SubmissionPart],
    snapshots: Mapping[str, Snapshot],
    target: WorkspaceRef | None,
) -> str:
    """The same for the same job, code and environment to the same workspace."""
    fields = {
        "workspace": target.id if target else "",
        "job": job.document,
        "code": {folder: sent.digest for folder, sent in snapshots.items()},
        "environments": [part.environment.digest for part in parts],
    }
    text = json.dumps(fields, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sent_before(
    root: Path,
    parts: Sequence[SubmissionPart],
    snapshots: Mapping[str, Snapshot],
    target: WorkspaceRef | None,
) -> Iterator[tuple[str, str]]:
    """(digest, name of the job that it was sent with) of what this workspace has already."""
    if target is None:
        return
    workspace = workspace_fields(target)
    digests = [sent.digest for sent in snapshots.values()]
    digests += [part.environment.digest for part in parts if part.environment.digest]
    for digest in dict.fromkeys(digests):
        job = submission_store.find_by_digest(root, workspace, digest)
        if job is not None:
            yield digest, job.name


def _requested_name(job: Job, name: str | None) -> str | None:
    """The name from the command line or the job file; None where neither has one.

    In small letters, as Azure ML's client sends it: that is the job's name from then on.
    """
    name = job.document.get("name") if name is None else name
    if name is not None and not _JOB_NAME.fullmatch(str(name)):
        raise UsageError(
            f'"{name}" is not a valid name for a job',
            code="job-name-invalid",
            hint="Use letters, digits, - and _, at most 255, and begin with a letter or digit",
        )
    return None if name is None else str(name).lower()


def _new_name(experiment: Experiment) -> str:
    """In small letters, as Azure ML's client sends every name of a job."""
    return f"{azure_name(experiment.name)}-{new_id()}".lower()
