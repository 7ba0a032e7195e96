"""What `loop check` finds in a job file, as a run treats it.

Errors end it before anything is built, and everything that only a submission refuses is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..model.jobs.job import Job
from ..model.lint.finding import ACCEPTED, Finding, Severity
from ..model.lint.job_file import check
from ..util.errors import UserError, combine
from ..workspace import loader

# Errors that the plan of a run finds by itself, with the settings and the backend it runs on, and
# those of an upload, which a run here does without.
_FOUND_BY_PLAN = {
    "data-missing",
    "build-folder-missing",
    "dockerfile-missing",
    "conda-file-missing",
    "file-ignored",
    "git-lfs-pointer",
    "data-not-fetched",
    "ignore-rule-invalid",
}


def findings(root: Path, job: Job) -> list[Finding]:
    return check(job, loader.WorkspaceFiles(root))


def errors(findings: Sequence[Finding]) -> list[UserError]:
    """The findings that end a run."""
    return [
        finding.error()
        for finding in findings
        if finding.severity is Severity.ERROR and finding.code not in _FOUND_BY_PLAN
    ]


def require(findings: Sequence[Finding], *, dry: bool) -> None:
    """Raise all errors as one UserError, unless `dry`."""
    if not dry and (found := errors(findings)):
        raise combine(found)


def warning(findings: Sequence[Finding], job: Job) -> str:
    """One line on everything that `loop submit` refuses; "" if there is nothing."""
    refused = [
        finding
        for finding in findings
        if (finding.severity is Severity.WARNING and finding.code not in ACCEPTED)
        or finding.code == "file-ignored"
    ]
    if not refused:
        return ""
    more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    first = refused[0]
    return (
        f"`loop submit` refuses this job file ({first.position}: {first.message}{more}): "
        f"`scripts/loop check {job.name}` prints everything"
    )


def outdated_lock(findings: Sequence[Finding]) -> str:
    """One line on packages that the job's environment lacks though they are asked for, or ""."""
    found = [
        finding
        for finding in findings
        if finding.code == "lock-outdated" and finding.severity is Severity.WARNING
    ]
    if not found:
        return ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    first = found[0]
    return f"{first.position}: {first.message}{more}. {first.hint}"
