"""The verbs of a backend whose jobs run on a machine of the team's own.

Nothing is installed there but a shell script in a folder of the person's: see `host`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ...model.run import Availability, Request, Run
from ...model.settings import remotes
from ...util.errors import UserError, combine
from ...util.text_parts import TextParts
from ..base import DoctorFact, Events, Fetched, JobStatus, Submission, SubmissionOrder
from ..submission_store import SubmittedJob, where_sent

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.lint.finding import Finding
    from ...model.removable import Removable
    from ...model.workspace import Workspace
    from .host import RemoteHost, RemoteJobState, RemoteRef
    from .outputs import Downloaded
    from .run import HostRun


# The error's code for a job that its machine does not have any more.
MISSING = "remote-job-missing"


class HostMachine:
    """`where` has the name of the machine ("remote"), and of a job that was sent also where it is.

    `kind` is the backend's name without the machine's.
    """

    kind = ""

    def __init__(self, root: Path, where: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.where = dict(where or {})
        # A record names this machine, too.
        self.remote = self.where.get("remote", "") if self.where.get("host", "?") else ""
        self.name = f"{self.kind}:{self.remote}" if self.remote else self.kind
        self._host: RemoteHost | None = None
        self._run: HostRun | None = None

    def __enter__(self) -> HostMachine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is not None:
            self._run.__exit__()
        if self._host is not None:
            self._host.__exit__()

    @property
    def ref(self) -> RemoteRef:
        from .host import RemoteRef, setting_ref

        if "host" in self.where:
            return where_sent(RemoteRef, self.where)
        from ...workspace import loader

        workspace = loader.open_workspace(self.root)
        return setting_ref(remotes.named(workspace.settings.remote, self.remote))

    @property
    def host(self) -> RemoteHost:
        from .host import RemoteHost

        if self._host is None:
            self._host = RemoteHost(self.ref, self.name)
        return self._host

    @property
    def run(self) -> HostRun:
        if self._run is None:
            self._run = self._new_run()
        return self._run

    def _new_run(self) -> HostRun:
        from .run import HostRun

        return HostRun(self.root, self.remote, self._host, self.kind)

    def connect(self) -> None:
        with suppress(UserError):  # whatever needs the connection says what is wrong
            self.host.connection.begin()

    def available(self, workspace: Workspace) -> Availability:
        from ...util import process

        if process.which("ssh") is None:
            return Availability(
                False, "there is no program `ssh` on PATH", "Install OpenSSH's client"
            )
        setting = remotes.named(workspace.settings.remote, self.remote)
        return Availability(True, f"the host {setting.host} of ssh, which is not asked here")

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        return True

    def plan(self, run: Run) -> Request:
        return self.run.plan(run)

    def lint(self, experiment: Experiment, job: Job) -> list[Finding]:
        from ...model.lint.finding import Severity
        from ...model.lint.job_file import check
        from ...workspace.loader import WorkspaceFiles

        findings = check(job, WorkspaceFiles(self.root))
        return [finding for finding in findings if finding.severity is Severity.ERROR]

    def plan_submission(
        self, order: SubmissionOrder
    ) -> tuple[Submission | None, Sequence[Finding]]:
        from . import submission

        return submission.plan(order, self.run)

    def submit(self, submission: Submission, on_ready: Callable[[Any], None]) -> SubmittedJob:
        from .submission import HostSubmission

        assert isinstance(submission, HostSubmission)
        on_ready(submission)
        self.run.prepare(submission.run, submission.request)
        planned = self.run.plan(submission.run)
        if planned.missing:
            raise combine(planned.missing)
        job = self.run.left_running(submission.run, planned)
        self.where = dict(job.workspace)
        return job

    def status(self, job: str) -> JobStatus:
        try:
            return self._status(self.host.state(self._job(job)), job)
        except UserError as error:
            return self._remembered(job, error)

    def _remembered(self, job: str, error: UserError) -> JobStatus:
        """What is known here of a job that was cleaned there after its end; else raises the error."""
        from ...history.recorder import RECORD
        from ...util import json_records
        from ...util.json_records import RecordError
        from .. import submission_store
        from ..stream_job import ENDED

        record = submission_store.read(self.root, job)
        if error.code != MISSING or record is None or record.status not in ENDED:
            raise error
        ended, code = "", None
        with suppress(RecordError):
            run = json_records.read_file(self.root / record.outputs / RECORD)
            if run is not None:
                ended, code = run.as_str("ended", ""), run.as_int("exit_code", None)
        return JobStatus(
            record.status, job, "command", record.experiment, compute=self.run.title, ended=ended,
            error=f"exit code {code}" if code else "",
        )  # fmt: skip

    def logs(
        self, job: str, on_event: Events, *, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        from .follow import JobFollower

        parts_of_text = TextParts()

        def write(chunk: bytes) -> None:
            if with_logs:
                on_event(
                    {"event": "log", "of": "", "file": "log", "text": parts_of_text.text(chunk)}
                )

        with suppress(UserError):
            if parts := self.host.state(self._job(job)).parts:
                return self._logs_of_parts(job, list(parts), on_event, with_logs, follow)
        follower = JobFollower(self.host, self._job(job))
        try:
            state = follower.to_end(write) if follow else follower.so_far(write)
        except UserError as error:
            remembered = self._remembered(job, error)
            text = self._kept_log(job)
            write(text)
            return remembered, len(text)
        status = self._status(state, job)
        on_event({"event": "state", "of": "", "state": status.status})
        return status, follower.at

    def _logs_of_parts(
        self, job: str, parts: Sequence[str], on_event: Events, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        """The logs of a group's parts, one after another."""
        size = 0
        for part in parts:
            if with_logs:
                head = f"== {part.removeprefix(f'{job}-')}\n"
                on_event({"event": "log", "of": "", "file": "log", "text": head})
            _, more = self.logs(part, _of_part(on_event), with_logs=with_logs, follow=follow)
            size += more
        status = self.status(job)
        on_event({"event": "state", "of": "", "state": status.status})
        return status, size

    def _kept_log(self, job: str) -> bytes:
        """The log beside the run's record; empty without one."""
        from ...history.recorder import LOG
        from ...util import regular_files
        from .. import submission_store

        record = submission_store.read(self.root, job)
        with suppress(OSError, UserError):
            return regular_files.read_bytes(self.root / (record.outputs if record else "") / LOG)
        return b""

    def cancel(self, job: str) -> tuple[str, str]:
        before = self.status(job).status
        self.host.query("cancel", self._job(job))
        return before, self.status(job).status

    def fetch(self, job: str, into: str, output: str = "") -> Fetched:
        from ...util import console
        from . import load_samples, outputs
        from .follow import retried

        name = self._job(job)
        if parts := self.host.state(name).parts:
            return self._fetch_parts(job, into, output, parts)

        def fetch() -> tuple[RemoteJobState, Downloaded]:
            found = outputs.download(self.host, name, self.root / into, output)
            state = self.host.state(name)
            if not state.is_open and not output:
                self._keep_log(name, into)
                load_samples.fetch(self.host, name, state, self.root / into)
            if not state.is_open and found.incomplete:
                raise found.error(self.host, name)
            if not state.is_open and not output:
                self.host.has_fetched(name)
            return state, found

        state, found = retried(self.host, fetch)
        for line in found.incomplete:
            console.say(f"{self.run.title}: {line}")
        return Fetched(self._status(state, job), found.files, found.size)

    def _fetch_parts(
        self, job: str, into: str, output: str, parts: Mapping[str, RemoteJobState]
    ) -> Fetched:
        """What each part of a group has left, in a folder of its own."""
        found = [
            self.fetch(part, f"{into}/{part.removeprefix(f'{job}-')}", output)
            for part, state in parts.items()
            if state.state != "queued"
        ]
        status = self.status(job)
        if not output and all(not state.is_open for state in parts.values()):
            self.host.has_fetched(self._job(job))
        return Fetched(status, sum(one.files for one in found), sum(one.size for one in found))

    def _status(self, state: RemoteJobState, job: str) -> JobStatus:
        from .. import submission_store
        from .follow import job_status

        found = job_status(state, job, self._experiment(job), self.run.title)
        record = submission_store.read(self.root, job)
        return replace(found, type=record.kind) if record is not None else found

    def _keep_log(self, name: str, into: str) -> None:
        """The whole log beside the record, as of a run that was followed."""
        from ...history.recorder import LOG
        from ...util import files, redaction
        from .follow import JobFollower

        parts: list[bytes] = []
        JobFollower(self.host, name).so_far(parts.append)
        text = b"".join(parts).decode("utf-8", "replace")
        masked = redaction.of_process().text(text)
        files.write_stream(self.root / into / LOG, [masked.encode("utf-8")])

    def metrics(self, job: str) -> Mapping[str, float]:
        return {}

    def doctor(self) -> Iterator[DoctorFact]:
        from . import doctor

        return doctor.facts(self.root, self.host, self.remote)

    def removable(self) -> list[Removable]:
        """What this workspace has there, and what all workspaces of the person share."""
        from . import cleanup

        return cleanup.find(self.root, self.host, self.remote)

    def remove(self, item: Removable) -> str:
        from . import cleanup

        return cleanup.remove(self.host, item)

    def _job(self, job: str) -> str:
        """The job's name for the agent."""
        from ...workspace import loader

        return f"{loader.open_workspace(self.root).image_name}/{job}"

    def _experiment(self, job: str) -> str:
        from .. import submission_store

        record = submission_store.read(self.root, job)
        return record.experiment if record is not None else ""


def _of_part(on_event: Events) -> Events:
    """What is said of a part: its log, and not its state."""

    def on(event: Mapping[str, Any]) -> None:
        if event["event"] == "log":
            on_event(event)

    return on
