"""A submission to a machine of the team's own, complete before it is connected to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.lint.finding import Finding, Severity
from ...model.run import Request, Run
from ...util.errors import UsageError, UserError, combine
from ...util.quick_dataclasses import dataclass
from .. import job_text, snapshot
from ..base import SubmissionOrder
from ..snapshot import SuspectedSecret
from ..submission_store import job_inputs
from .run import HostRun


@dataclass(frozen=True, slots=True)
class HostSubmission:
    """`request` is what is started there, as far as it is known without asking."""

    order: SubmissionOrder
    run: Run
    request: Request
    suspects: Sequence[tuple[str, SuspectedSecret]] = ()

    @property
    def experiment(self) -> Experiment:
        return self.run.experiment

    @property
    def job(self) -> Job:
        return self.run.job

    @property
    def name(self) -> str:
        return self.run.id

    @property
    def readers(self) -> str:
        return f"whoever administers {self.request.compute}"

    @property
    def file_of_name(self) -> str:
        return ""

    @property
    def notes(self) -> Sequence[str]:
        missing = [*self.run.missing, *self.request.missing]
        real = [f"a real submission needs more: {error.message()}" for error in missing]
        return [*self.request.notes, *real]

    def json(self) -> dict[str, Any]:
        return {**self.request.json(), "job": self.name, "file": self.run.job.name}

    def preview(self) -> Iterator[tuple[str, str]]:
        hide = self.request.redaction.text
        yield "machine", self.request.compute
        yield "job", f"{self.name} ({self.run.job.kind})"
        yield "command", hide(" ".join(self.request.command.split()))
        if self.request.image:
            yield "image", self.request.image
        for index, (name, value) in enumerate(job_inputs(self.run.job).items()):
            yield "" if index else "inputs", hide(f"{name} = {value}")
        yield "outputs", f"{self.run.outputs}/, with `scripts/loop download {self.name}`"

    def text(self) -> str:
        return "".join(f"{title:<13}{text}".rstrip() + "\n" for title, text in self.preview())


def plan(order: SubmissionOrder, machine: HostRun) -> tuple[HostSubmission | None, list[Finding]]:
    """The submission, and the findings that prevent it."""
    job, findings = job_text.read(order)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if job is None or errors:
        return None, errors
    if job.kind != "command":
        raise UserError(
            f"a {job.kind} job is more than one command",
            code="not-a-command-job",
            where=posixpath.normpath(f"{order.experiment.folder}/{order.file}"),
            hint=f"`scripts/loop run` with --backend {machine.backend} runs its parts there",
        )
    run = machine.planned(order.workspace, order.experiment, job, dry=order.is_dry)
    if order.name is not None:
        run = replace(run, id=_name(order.name))
    root = Path(order.workspace.root)
    suspects = []
    if run.code is not None:
        folder = posixpath.relpath(run.code, order.workspace.root)
        sent = snapshot.read(root, folder)
        suspects = [(folder, suspect) for suspect in sent.suspects]
    request = machine.plan(run)
    if request.missing and not order.is_dry:
        raise combine(request.missing)
    return HostSubmission(order, run, request, suspects), []


def _name(text: str) -> str:
    """A job's name, which is that of its folders here and there."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise UsageError(
            f'"{text}" is not the name of a job',
            code="job-name-invalid",
            hint="Use letters, digits, -, _ and ., at most 100",
        )
    return text
