"""What `loop check` finds in a job file, as a run takes it: errors end it before anything is made,
what Azure ML alone refuses is said in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..model.jobs.job import Job
from ..model.lint.job_file import Finding, check
from ..util.errors import UserError, combine
from ..workspace import loader

# What a run finds out for itself, with the settings and the place that it runs in.
_SAID_ELSEWHERE = {"no-data", "no-build-folder", "no-dockerfile", "no-conda-file"}


def findings(root: Path, job: Job) -> list[Finding]:
    return check(job, loader.WorkspaceFiles(root))


def errors(found: Sequence[Finding]) -> list[UserError]:
    return [
        UserError(one.what, where=one.where, hint=one.hint)
        for one in found
        if one.level == "wrong" and one.code not in _SAID_ELSEWHERE
    ]


def require(found: Sequence[Finding], *, dry: bool) -> None:
    """A `Mistake` of all errors; none where nothing really runs."""
    wrong = errors(found)
    if wrong and not dry:
        raise combine(wrong)


def warning(found: Sequence[Finding], job: Job) -> str:
    """One line on all that Azure ML refuses; "" for nothing."""
    refused = [one for one in found if one.level == "azure"]
    if not refused:
        return ""
    more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    first = refused[0]
    return (
        f"Azure ML would refuse this job file ({first.where}: {first.what}{more}): "
        f"`scripts/loop check {job.name}` says all"
    )
