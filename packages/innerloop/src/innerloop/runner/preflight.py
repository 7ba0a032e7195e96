"""What `loop check` finds in a job file, as a run takes it: errors end it before anything is made,
what Azure ML alone refuses is said in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..model.jobs.job import Job
from ..model.lint.finding import Finding, Severity
from ..model.lint.job_file import check
from ..util.errors import UserError, combine
from ..workspace import loader

# What a run finds out for itself, with the settings and the place that it runs in.
_SAID_ELSEWHERE = {
    "data-missing",
    "build-folder-missing",
    "dockerfile-missing",
    "conda-file-missing",
}


def findings(root: Path, job: Job) -> list[Finding]:
    return check(job, loader.WorkspaceFiles(root))


def errors(findings: Sequence[Finding]) -> list[UserError]:
    return [
        finding.error()
        for finding in findings
        if finding.severity is Severity.ERROR and finding.code not in _SAID_ELSEWHERE
    ]


def require(found: Sequence[Finding], *, dry: bool) -> None:
    """A `Mistake` of all errors; none where nothing really runs."""
    wrong = errors(found)
    if wrong and not dry:
        raise combine(wrong)


def warning(found: Sequence[Finding], job: Job) -> str:
    """One line on all that Azure ML refuses; "" for nothing."""
    refused = [finding for finding in found if finding.severity is Severity.WARNING]
    if not refused:
        return ""
    more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    first = refused[0]
    return (
        f"Azure ML would refuse this job file ({first.position}: {first.message}{more}): "
        f"`scripts/loop check {job.name}` says all"
    )
