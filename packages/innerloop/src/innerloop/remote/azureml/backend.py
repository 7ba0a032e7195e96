"""The backend azureml: the job runs in an Azure ML workspace.

Only `worker` and what it imports know Azure's SDK (azure-ai-ml). They run in an environment and a
process of their own, so nothing else in the tool waits for that import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ...model.run import Availability, Request, Run
from ...util.errors import UserError
from ..base import DoctorFact, Events, Fetched, JobStatus, Submission, SubmissionOrder
from ..submission_store import SubmittedJob, where_sent
from . import workspace_ref
from .connection import AzureConnection
from .workspace_ref import WorkspaceRef

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.lint.finding import Finding
    from ...model.workspace import Workspace


# Seconds of failures that following a job survives.
TROUBLE_LIMIT = 60.0


class AzureML:
    """`where` names another workspace than the configured one."""

    name = "azureml"

    def __init__(self, root: Path, where: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.where = where
        self.connection = AzureConnection(root)
        self.sent: set[str] = set()

    def __enter__(self) -> AzureML:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.__exit__(kind, error, trace)

    @property
    def target(self) -> WorkspaceRef:
        if self.where is not None:
            return where_sent(WorkspaceRef, self.where, source="the submission store")
        return workspace_ref.find(self.root)

    def available(self, workspace: Workspace) -> Availability:
        try:
            target = workspace_ref.find(Path(workspace.root))
        except UserError as error:
            return Availability(False, error.what, error.hint)
        return Availability(True, f"connected to {target.workspace} ({target.source})")

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        return True

    def plan(self, run: Run) -> Request:
        from . import job_request

        return job_request.plan(run)

    def lint(self, experiment: Experiment, job: Job) -> list[Finding]:
        from ...model.lint.job_file import check
        from ...workspace.loader import WorkspaceFiles

        return check(job, WorkspaceFiles(self.root, finds_assets=False))

    def plan_submission(
        self, order: SubmissionOrder
    ) -> tuple[Submission | None, Sequence[Finding]]:
        from .submit import plan

        target, unconnected = workspace_ref.find_for(self.root, dry=order.is_dry)
        if not order.is_dry:
            self.connection.start_if_installed()  # imports its SDK while we plan
        return plan.plan(order, target, unconnected)

    def submit(
        self, submission: Submission, on_ready: Callable[[Submission], None]
    ) -> SubmittedJob:
        from .submit import execute
        from .submit.submission import AzureSubmission

        assert isinstance(submission, AzureSubmission)
        on_ready(submission)
        job = execute.send(self.root, submission, self.connection)
        self.sent.add(job.name)
        return job

    def status(self, job: str) -> JobStatus:
        doing = f"asking for {job}"
        answer = self.connection.ask_with_progress("status", self.target, doing, name=job)
        return JobStatus(**answer)

    def logs(
        self, job: str, on_event: Events, *, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        from ..worker.client import poll_interval, silence_limit

        answer = self.connection.ask(
            "follow", self.target, on_event,
            name=job, logs=with_logs, follow=follow, pause=poll_interval(1.0),
            survives=min(TROUBLE_LIMIT, silence_limit()),
            sent=job in self.sent,
        )  # fmt: skip
        log_bytes = answer.pop("logs")
        return JobStatus(name=job, **answer), log_bytes

    def cancel(self, job: str) -> tuple[str, str]:
        doing = f"cancelling {job}"
        answer = self.connection.ask_with_progress("cancel", self.target, doing, name=job)
        return answer["before"], answer["after"]

    def fetch(self, job: str, into: str, output: str = "") -> Fetched:
        from . import outputs

        return outputs.download(self.root, job, into, self.target, self.connection, output)

    def metrics(self, job: str) -> Mapping[str, float]:
        from ...history import json_metrics, metric_values

        answer = self.connection.ask("metrics", self.target, lambda event: None, name=job)
        scores = json_metrics.read(answer["json"], answer["jsonl"]).scores
        tracked = ((name, metric_values.parsed(text)) for name, text in answer["mlflow"].items())
        return {**scores, **{name: value for name, value in tracked if value is not None}}

    def doctor(self) -> Iterator[DoctorFact]:
        from . import doctor

        return doctor.facts(self.root, self.connection)


BACKEND = AzureML
