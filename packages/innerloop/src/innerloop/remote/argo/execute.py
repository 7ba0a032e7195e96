"""Carry out a submission to a cluster.

Images are pushed, then the Workflow is sent; the record is kept before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from ...history import git_state
from ...util import clock, redaction
from ...util.errors import combine
from .. import run_records, submission_store
from ..base import Submission
from ..progress import TransferProgress, say
from ..submission_store import SubmittedJob, job_inputs
from . import images, plan
from .cluster_ref import ClusterRef
from .connection import ArgoConnection, ServiceError
from .images import RunImage
from .plan import ArgoSubmission

# Error codes after which a Workflow may have been created all the same.
_MAY_HAVE_ARRIVED = ("network", "stalled", "worker-ended", "other", "service")


def submit(
    root: Path,
    submission: ArgoSubmission,
    connection: ArgoConnection,
    on_ready: Callable[[Submission], None],
) -> SubmittedJob:
    if submission.missing:
        raise combine(submission.missing)
    submission = _with_earlier_name(root, submission)
    cluster = _check_cluster(submission, connection)
    submission = replace(submission, cluster=cluster)
    on_ready(submission)
    pushed = {variant: _push(submission, image) for variant, image in submission.images.items()}
    submission = plan.with_images(submission, pushed, cluster.namespace)
    return _send(root, submission, cluster, connection)


def _with_earlier_name(root: Path, submission: ArgoSubmission) -> ArgoSubmission:
    """After an interruption the same submission keeps its name."""
    submission_store.require_new(root, submission.name)
    if submission.is_named:
        return submission
    earlier = submission_store.find_interrupted(root, submission.fingerprint)
    return submission if earlier is None else plan.renamed(submission, earlier.name)


def _check_cluster(submission: ArgoSubmission, connection: ArgoConnection) -> ClusterRef:
    """The cluster with its address and namespace.

    Raises ServiceError if it would refuse the Workflow, before an image is built.
    """
    setting = submission.setting
    answer = connection.ask_with_progress(
        "check",
        ClusterRef(setting.context, setting.namespace),
        "asking the cluster",
        name=submission.name,
        manifest=submission.request.manifest,
        ours=not submission.is_named,
    )
    return ClusterRef(setting.context, answer["namespace"], answer["server"])


def _push(submission: ArgoSubmission, image: RunImage) -> RunImage:
    pushed = images.with_registry_digest(image)
    if pushed.digest:
        say(f"innerloop: {image.named} is in the registry already")
        return pushed
    return images.push(submission.workspace, submission.experiment, image, say)


def _send(
    root: Path, submission: ArgoSubmission, cluster: ClusterRef, connection: ArgoConnection
) -> SubmittedJob:
    # An earlier attempt of unknown outcome stays open when this one is refused.
    was_open = submission_store.find_interrupted(root, submission.fingerprint) is not None
    job = _record_before(root, submission, cluster)
    progress = TransferProgress(f"sending {job.name} to {cluster.namespace}")
    try:
        answer = connection.ask(
            "submit",
            cluster,
            progress.on_event,
            name=job.name,
            manifest=submission.request.manifest,
            ours=not submission.is_named,
        )
    except ServiceError as error:
        if error.code not in _MAY_HAVE_ARRIVED:
            if not was_open:
                submission_store.update(root, job, state=submission_store.REFUSED)
            raise
        raise error.instead_of_again(_unknown(job)) from error
    except KeyboardInterrupt:
        progress.close()
        say(f"innerloop: {_unknown(job)}")
        raise
    finally:
        progress.close()
    if answer["existed"]:
        say("innerloop: an earlier attempt had created this job; no second one was created")
    job = submission_store.update(root, job, state=submission_store.SENT, status="Queued")
    run_records.write_record(root, job)
    return job


def _unknown(job: SubmittedJob) -> str:
    return (
        f"It is not known whether {job.name} was created: `scripts/loop status {job.name}` tells, "
        "and the same command again continues without creating it twice"
    )


def _record_before(root: Path, submission: ArgoSubmission, cluster: ClusterRef) -> SubmittedJob:
    git, patch = submission_store.git_fields(git_state.read(root))
    snapshots = [image.code for image in submission.images.values() if image.code]
    request = submission.request.first
    job = SubmittedJob(
        name=submission.name,
        experiment=submission.experiment.name,
        slug=submission.experiment.slug,
        file=submission.job.name,
        workspace=asdict(cluster),
        state=submission_store.SENDING,
        fingerprint=submission.fingerprint,
        at=clock.now(),
        kind=submission.job.kind,
        sets=submission.sets,
        command=request.command,
        compute=f"namespace {cluster.namespace}",
        inputs=job_inputs(submission.job),
        environment=request.image or "",
        snapshots={code.folder: code.digest for code in snapshots},
        git=git,
        backend="argo",
        kept=submission.kept,
    )
    submission_store.write(root, job, patch)
    masked = redaction.of_process().tree(submission.request.manifest)
    manifest = json.dumps(masked, indent=2, ensure_ascii=False)
    submission_store.write_file(root, job, "manifest.json", f"{manifest}\n")
    return job
