"""Read the job file of a submission, once, with its findings."""

from __future__ import annotations

import posixpath
from pathlib import Path

from ..model.jobs.job import Job
from ..model.jobs.overrides import parse_job_with
from ..model.lint.finding import Finding
from ..model.lint.job_file import check, read_and_check
from ..util import files
from ..util.errors import UserError
from ..workspace.loader import WorkspaceFiles
from .base import SubmissionOrder


def read(order: SubmissionOrder) -> tuple[Job | None, list[Finding]]:
    """The job with its overrides, and the findings of `loop check`.

    None for a file that cannot be read; an override that cannot be applied raises UserError.
    """
    root = Path(order.workspace.root)
    path = posixpath.normpath(f"{order.experiment.folder}/{order.file}")
    text = files.read_text(root / path)
    if text is None:
        raise UserError(
            "there is no such job file",
            code="job-file-missing",
            where=path,
            hint="It says what to run; `scripts/loop help job` shows the shortest one",
        )
    disk = WorkspaceFiles(root, finds_assets=False)  # a name is sent as it is written
    if not order.sets:
        return read_and_check(text, path, disk)
    job = parse_job_with(text, path, order.sets)
    return job, check(job, disk)
