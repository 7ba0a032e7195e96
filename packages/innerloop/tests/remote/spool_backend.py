"""A remote backend in one file.

A job is a folder below `.spool` with its command, its log and its exit code. A real one asks a
service instead; with an SDK, through a `worker` (see remote/azureml).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import Job
from innerloop.model.lint.finding import Finding
from innerloop.model.lint.job_file import check
from innerloop.model.run import Availability, ProcessSpec, Request, Run
from innerloop.model.workspace import Workspace
from innerloop.remote import job_text, submission_store
from innerloop.remote.base import DoctorFact, Events, Fetched, JobStatus, SubmissionOrder
from innerloop.remote.submission_store import SENT, SubmittedJob
from innerloop.runner.started_run import new_id
from innerloop.util import clock, files, process
from innerloop.workspace.loader import WorkspaceFiles


@dataclass(frozen=True)
class SpoolSubmission:
    order: SubmissionOrder
    job: Job
    name: str
    readers = "everybody on this machine"
    suspects = ()
    notes = ()
    file_of_name = ""

    def json(self) -> dict[str, Any]:
        return {"experiment": self.order.experiment.name, "job": self.name, "backend": "spool"}

    def preview(self) -> Iterator[tuple[str, str]]:
        yield "job", self.name
        yield "command", self.job.command

    def text(self) -> str:
        return "".join(f"{title:<13}{text}\n" for title, text in self.preview())


class Spool:
    name = "spool"

    def __init__(self, root: Path, where: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.folder = Path((where or {}).get("folder") or root / ".spool")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        """There is no connection to close."""

    def available(self, workspace: Workspace) -> Availability:
        return Availability(True, f"jobs go to {self.folder}")

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        return True

    def plan(self, run: Run) -> Request:
        return Request(
            experiment=run.experiment.name,
            backend=self.name,
            command=run.job.command,
            process=ProcessSpec(("sh", "-c", run.job.command), str(run.code)),
            outputs=run.outputs,
            why="",
        )

    def lint(self, experiment: Experiment, job: Job) -> list[Finding]:
        return check(job, WorkspaceFiles(self.root))

    def plan_submission(
        self, order: SubmissionOrder
    ) -> tuple[SpoolSubmission | None, list[Finding]]:
        job, findings = job_text.read(order)
        if not job:
            return None, findings
        return SpoolSubmission(order, job, order.name or new_id()), findings

    def submit(self, submission: Any, on_ready: Callable[[Any], None]) -> SubmittedJob:
        on_ready(submission)
        order, command = submission.order, submission.job.command
        job = SubmittedJob(
            submission.name, order.experiment.name, order.experiment.slug, submission.job.name,
            {"folder": str(self.folder)}, SENT, "", clock.now(), command=command,
            backend=self.name,
        )  # fmt: skip
        submission_store.write(self.root, job)
        done = process.run(["sh", "-c", command], cwd=self.root / order.experiment.folder)
        files.write_text(self.folder / job.name / "log.txt", done.out)
        files.write_text(self.folder / job.name / "code.txt", "0" if done.ok else "1")
        return job

    def status(self, job: str) -> JobStatus:
        code = files.read_text(self.folder / job / "code.txt")
        return JobStatus("Completed" if code == "0" else "Failed", job, "command")

    def logs(
        self, job: str, on_event: Events, *, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        text = files.read_text(self.folder / job / "log.txt") or ""
        if with_logs:
            on_event({"event": "log", "of": "", "file": "log.txt", "text": text})
        return self.status(job), len(text)

    def cancel(self, job: str) -> tuple[str, str]:
        return self.status(job).status, self.status(job).status

    def fetch(self, job: str, into: str, output: str = "") -> Fetched:
        files.copy(self.folder / job / "log.txt", files.make_folder(self.root / into) / "log.txt")
        return Fetched(self.status(job), 1, (self.root / into / "log.txt").stat().st_size)

    def metrics(self, job: str) -> Mapping[str, float]:
        return {}

    def doctor(self) -> Iterator[DoctorFact]:
        yield "ok", "spool", json.dumps(str(self.folder)), ""


BACKEND = Spool
