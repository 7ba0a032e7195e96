"""Send a submission, and keep the record before and after it, also when it is interrupted."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ....history import git_state
from ....util import clock, consent
from ....util.errors import UserError
from ... import run_records, submission_store
from ...progress import TransferProgress, say
from ...submission_store import SubmittedJob, job_inputs
from ..connection import AzureConnection, ServiceError
from ..workspace_ref import WorkspaceRef
from .submission import AzureSubmission, workspace_fields

# Error codes with which Azure refuses a submission: sent again unchanged, it is refused again.
_REFUSED = ("exists", "refused", "not-found", "no-workspace", "forbidden")


def send(root: Path, submission: AzureSubmission, connection: AzureConnection) -> SubmittedJob:
    """The job that exists now.

    Raises UserError when it does not, or when that is not known; the same submission again then
    keeps its name.
    """
    submission_store.require_new(root, submission.name, submission.file_of_name)
    outside = submission.from_outside(os.path.realpath(root))
    consent.require(root, f"the submission of {submission.job.name}", outside)
    target = submission.target
    assert target is not None
    job = _record_before(root, submission, target)
    progress = TransferProgress(
        f"sending {job.name} to {target.workspace}",
        submission.size,
        files=submission.files,
        unrefused=int(submission.resumes),
    )
    try:
        answer = connection.ask(
            "submit",
            target,
            progress.on_event,
            root=str(root),
            file=str(root / submission.job.name),
            name=job.name,
            overrides=[[path, value] for path, value in submission.overrides],
            resume=submission.resumes,
            ours=not submission.named,
        )
    except ServiceError as error:
        raise _after_error(root, job, error, progress) from error
    except KeyboardInterrupt:
        progress.close()
        if progress.may_exist:
            state = _unknown(job)
        else:
            state = _not_created(progress)
            submission_store.update(root, job, state=submission_store.UNSENT)
        say(f"innerloop: {state}")
        raise
    progress.close()
    if answer["existed"]:
        say("innerloop: an earlier attempt had created this job; no second one was created")
    elif not progress.blobs:
        say("innerloop: nothing to upload: code and environment were there already")
    else:
        say(f"innerloop: sent after {time.monotonic() - progress.started:.0f} s")
    job = submission_store.update(
        root, job, state=submission_store.SENT, url=answer["url"], status=answer["status"]
    )
    run_records.write_record(root, job)
    return job


def _record_before(root: Path, submission: AzureSubmission, target: WorkspaceRef) -> SubmittedJob:
    git, patch = submission_store.git_fields(git_state.read(root))
    part = submission.parts[0]
    job = SubmittedJob(
        name=submission.name,
        experiment=submission.experiment.name,
        slug=submission.experiment.slug,
        file=submission.job.name,
        workspace=workspace_fields(target),
        state=submission_store.SENDING,
        fingerprint=submission.fingerprint,
        at=clock.now(),
        kind=submission.job.kind,
        sets=submission.sets,
        command=part.command,
        compute=part.compute,
        inputs=job_inputs(submission.job),
        environment=part.environment.digest,
        snapshots={folder: sent.digest for folder, sent in submission.snapshots.items()},
        git=git,
    )
    submission_store.write(root, job, patch)
    return job


def _after_error(
    root: Path, job: SubmittedJob, error: ServiceError, progress: TransferProgress
) -> UserError:
    """The error with its cure, and with what is known of the job.

    The record stays open while the job may exist, so that the next attempt asks for it first.
    """
    progress.close()
    if progress.may_exist:
        state = _unknown(job)
        return error.instead_of_again(state[:1].upper() + state[1:])
    is_refused = error.code in _REFUSED
    state = submission_store.REFUSED if is_refused else submission_store.UNSENT
    submission_store.update(root, job, state=state)
    return error


def _unknown(job: SubmittedJob) -> str:
    return (
        f"it is not known whether {job.name} was created: `scripts/loop status {job.name}` "
        "tells, and the same command again continues without creating it twice"
    )


def _not_created(progress: TransferProgress) -> str:
    """What the same command does after an interruption: an upload begins again from its start."""
    if progress.code_arrived:
        return "no job was created; the same command again does not send the code again"
    if progress.blobs:
        return "no job was created; the same command again sends the code from its start"
    return "no job was created; the same command again continues"
