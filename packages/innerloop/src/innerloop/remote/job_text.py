"""Read the job file of a submission, once, with its findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..model.jobs.job import Job, parse_job
from ..model.jobs.overrides import parse_job_with
from ..model.lint.finding import Finding
from ..model.lint.job_file import check_text
from ..util import files
from ..util.errors import UserError
from ..workspace.loader import WorkspaceFiles
from .base import SubmissionOrder


def read(
    order: SubmissionOrder, lint: Callable[[Job], list[Finding]]
) -> tuple[Job | None, list[Finding]]:
    """The job with its overrides, and what `lint` finds in it. None with the findings of a file that
    cannot be read; an override that cannot be applied raises UserError."""
    root = Path(order.workspace.root)
    path = f"{order.experiment.folder}/{order.file}"
    text = files.read_text(root / path)
    if text is None:
        raise UserError(
            "there is no such job file",
            code="job-file-missing",
            where=path,
            hint="It says what to run; `scripts/loop help job` shows the shortest one",
        )
    if order.sets:
        job = parse_job_with(text, path, order.sets)
        return job, lint(job)
    try:
        job = parse_job(text, path)
    except UserError:
        return None, check_text(text, path, WorkspaceFiles(root))
    return job, lint(job)


def blocking(findings: Sequence[Finding], levels: Sequence[str]) -> bool:
    return any(finding.level in levels for finding in findings)
