"""The backend argo: the job runs as a Workflow in a Kubernetes cluster with Argo Workflows.

Only `worker` and what it imports know the Kubernetes client. They run in an environment and a process
of their own.
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
from .cluster_ref import ClusterRef
from .connection import ArgoConnection

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.lint.finding import Finding
    from ...model.workspace import Workspace

# Seconds that the cluster may be unreachable while a job is followed.
UNREACHABLE_LIMIT = 60.0


class Argo:
    """A cluster with Argo Workflows as a backend.

    `where` names the cluster of a job that was submitted. A submission goes to the cluster that the
    experiment's settings name.
    """

    name = "argo"

    def __init__(self, root: Path, where: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.cluster = where_sent(ClusterRef, where or {})
        self.connection = ArgoConnection(root)

    def __enter__(self) -> Argo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.__exit__(kind, error, trace)

    def available(self, workspace: Workspace) -> Availability:
        from .kubeconfig import find

        source = find()
        if not source:
            return Availability(
                False,
                "no kubeconfig names a cluster",
                "Put one at ~/.kube/config, or name it with KUBECONFIG",
            )
        return Availability(True, f"the cluster of {source}")

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        return bool(experiment.settings.argo)

    def plan(self, run: Run) -> Request:
        from . import plan

        return plan.plan_run(run)

    def lint(self, experiment: Experiment, job: Job) -> list[Finding]:
        from . import plan

        return plan.lint(self.root, experiment, job)

    def plan_submission(
        self, order: SubmissionOrder
    ) -> tuple[Submission | None, Sequence[Finding]]:
        from . import plan

        return plan.plan(order)

    def submit(
        self, submission: Submission, on_ready: Callable[[Submission], None]
    ) -> SubmittedJob:
        from . import execute
        from .plan import ArgoSubmission

        assert isinstance(submission, ArgoSubmission)
        job = execute.submit(self.root, submission, self.connection, on_ready)
        self.cluster = ClusterRef(**job.workspace)
        return job

    def status(self, job: str) -> JobStatus:
        doing = f"asking for {job}"
        answer = self.connection.ask_with_progress("status", self.cluster, doing, name=job)
        return JobStatus(**answer)

    def logs(
        self, job: str, on_event: Events, *, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        from ..worker.client import poll_interval

        answer = self.connection.ask(
            "follow", self.cluster, on_event,
            name=job, logs=with_logs, follow=follow,
            pause=poll_interval(1.0), lost=UNREACHABLE_LIMIT,
        )  # fmt: skip
        log_bytes = answer.pop("logs")
        return JobStatus(name=job, **answer), log_bytes

    def cancel(self, job: str) -> tuple[str, str]:
        doing = f"cancelling {job}"
        answer = self.connection.ask_with_progress("cancel", self.cluster, doing, name=job)
        return answer["before"], answer["after"]

    def fetch(self, job: str, into: str, output: str = "") -> Fetched:
        from .. import submission_store

        record = submission_store.read(self.root, job)
        where = record.kept if record else "where its manifest says"
        raise UserError(
            f"the outputs of {job} are in the cluster: {where}",
            code="outputs-in-cluster",
            hint=f"`argo cp -n {self.cluster.namespace} {job} FOLDER` copies what Argo keeps, "
            "`kubectl cp` what is on a volume",
        )

    def metrics(self, job: str) -> Mapping[str, float]:
        return {}

    def doctor(self) -> Iterator[DoctorFact]:
        from . import doctor

        return doctor.facts(self.root, self.connection)


BACKEND = Argo
