"""Monitor jobs: their state, their logs as they grow, their end."""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from ...worker.protocol import Emit, ErrorInfo
from . import azure_errors, client_setup

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
# The log of the job's program, of the first process if there are several; older jobs have it in
# another file. Source: azure-ai-ml 1.35, JobLogPattern.
_LOGS = re.compile(
    r"user_logs/std_log[\D]*0*(?:_ps)?\.txt|azureml-logs/\d\d_driver_log.*\.txt"
    r"|azureml-logs/hyperdrive\.txt|logs/azureml/executionlogs\.txt"
)


def status(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    job = client.jobs.get(request["name"])
    try:
        details = _run_details(client, job.name)
    except ResourceNotFoundError:  # the run history of a new job follows a little later
        details = SimpleNamespace(start_time_utc="", end_time_utc="", error=None)
    children = _children(client, job.name) if job.type in ("pipeline", "sweep") else []
    return {
        "name": job.name,
        "type": job.type,
        "status": _text(job.status),
        "experiment": job.experiment_name,
        "url": job.studio_url or "",
        "compute": str(getattr(job, "compute", "") or "").rpartition("/")[2],
        "created": _text(getattr(job.creation_context, "created_at", "")),
        "started": _text(details.start_time_utc),
        "ended": _text(details.end_time_utc),
        "error": _error(details),
        "children": [
            {"name": job.name, "step": step, "status": state} for job, step, state in children
        ],
    }


def cancel(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The state before and after; a job that has ended stays as it is."""
    before = _text(client.jobs.get(request["name"]).status)
    if before in ENDED:
        return {"before": before, "after": before}
    client.jobs.begin_cancel(request["name"]).result()
    return {"before": before, "after": _text(client.jobs.get(request["name"]).status)}


def follow(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Emits the logs from their start, and with `follow` what is added until the end.

    With `follow`, failures are survived for `survives` seconds: the job goes on meanwhile. `sent`:
    this worker has just sent the job, so that no answer about it is final.
    """
    job = FollowedJob(client, request, emit)
    trouble = Trouble(request, emit)
    began = time.monotonic()
    while True:
        try:
            details = job.look()
            error = job.unread
        except Exception as failure:  # whatever the client makes of a broken answer
            details, error = None, failure
            if trouble.is_final(failure, seen=job.parent is not None):
                raise
        if error is None:
            trouble.over()
        elif trouble.is_too_long(error):
            if details is None or not request["follow"]:
                raise error
            trouble.report_lost_log(error)
            error = None
        elif azure_errors.status_of(error) == 401:
            job.client = client_setup.connect(request, emit, fresh=True)
        if details is not None and not request["follow"]:
            break
        if details is not None and error is None and job.state in ENDED:
            break
        emit("heartbeat")
        time.sleep(_pause(time.monotonic() - began, request["pause"]))
    return {
        "status": job.state,
        "error": _error(details),
        "started": _text(details.start_time_utc),
        "ended": _text(details.end_time_utc),
        "logs": sum(log.read_bytes for log in job.logs.values()),
    }


class FollowedJob:
    """What is known of a job that is followed: its state, and how far its logs were read.

    `unread` is the failure of a log at the last look; the next look reads on from there.
    """

    def __init__(self, client: MLClient, request: Mapping[str, Any], emit: Emit) -> None:
        self.client = client
        self.name = request["name"]
        self.with_logs = request["logs"]
        self.emit = emit
        self.parent: Any = None
        self.state = ""
        self.logs = {self.name: JobLog(self.name, "")}
        self.unread: Exception | None = None

    def look(self) -> Any:
        """The run history's record of the job, after its news were emitted."""
        self.unread = None
        if self.parent is None:
            self.parent = self.client.jobs.get(self.name)
        details = _run_details(self.client, self.name)
        if details.status != self.state:
            self.state = details.status
            self.emit("state", of="", state=self.state)
        if self.parent.type in ("pipeline", "sweep"):
            self._look_at_children()
        if self.with_logs:
            self._read(self.logs[self.name], details)
        return details

    def _look_at_children(self) -> None:
        for job, step, state in _children(self.client, self.name):
            log = self.logs.setdefault(job.name, JobLog(job.name, step))
            if log.state != state:
                log.state = state
                self.emit("state", of=step, state=state)
            if not log.ended:
                is_whole = self._read(log, _run_details(self.client, job.name))
                log.ended = is_whole and state in ENDED

    def _read(self, log: JobLog, details: Any) -> bool:
        """Whether all of a job's logs could be read."""
        failure = log.read(details.log_files or {}, self.emit)
        self.unread = self.unread or failure
        return failure is None


class Trouble:
    """Failures in a row while a job is followed, since when, and how long they are survived."""

    def __init__(self, request: Mapping[str, Any], emit: Emit) -> None:
        self.request = request
        self.emit = emit
        self.limit = float(request["survives"]) if request["follow"] else 0.0
        self.since: float | None = None
        self.is_reported = False

    def is_final(self, error: Exception, *, seen: bool) -> bool:
        """Whether to look again is of no use: the first answer says that there is no such job."""
        if seen or self.request["sent"]:
            return False
        code = self._explain(error).code
        return code in ("not-found", "no-workspace", "forbidden", "clock") or (
            code == "sign-in" and azure_errors.status_of(error) != 401
        )

    def is_too_long(self, error: Exception) -> bool:
        now = time.monotonic()
        if self.since is None:
            self.since = now
            if self.limit:
                self.emit("message", text=f"{self._explain(error).what}; looking again")
        return now - self.since >= self.limit

    def report_lost_log(self, error: Exception) -> None:
        """The job is followed to its end without the rest of a log."""
        if not self.is_reported:
            self.is_reported = True
            name = self.request["name"]
            text = f"a part of the log is missing here: {self._explain(error).what}. "
            self.emit("message", text=f"{text}`scripts/loop logs {name}` asks for it again")

    def _explain(self, error: Exception) -> ErrorInfo:
        last = client_setup.last_answer()
        return azure_errors.explain(error, self.request, last.host, last)

    def over(self) -> None:
        self.since = None


@dataclass
class JobLog:
    """How far the logs of one job have been read. Only new content is requested."""

    name: str
    step: str
    state: str = ""
    ended: bool = False
    read_bytes: int = 0
    at: dict[str, int] = field(default_factory=dict)
    decoders: dict[str, Any] = field(default_factory=dict)

    def read(self, addresses: Mapping[str, str], emit: Emit) -> Exception | None:
        """Emits what is new in each log; returns the failure of one that could not be read now."""
        failure: Exception | None = None
        for path in sorted(path for path in addresses if _LOGS.fullmatch(path)):
            try:
                content = _read_log(addresses[path], self.at.get(path, 0))
            except requests.RequestException as error:
                failure = error
                continue
            if not content:
                continue
            self.at[path] = self.at.get(path, 0) + len(content)
            make = codecs.getincrementaldecoder("utf-8")
            decoder = self.decoders.setdefault(path, make("replace"))
            self.read_bytes += len(content)
            emit("log", of=self.step, file=path, text=decoder.decode(content))
        return failure


def _read_log(address: str, start: int) -> bytes:
    """The bytes of a log from `start` on; b"" if there are none yet.

    Raises RequestException, also for a web page: it is the answer of a proxy, not of the storage.
    """
    answer = requests.get(address, headers={"Range": f"bytes={start}-"}, timeout=(10, 60))
    is_of_storage = "x-ms-request-id" in answer.headers
    if answer.status_code in (404, 416) and is_of_storage:
        return b""
    if answer.status_code >= 400:  # not raise_for_status, whose text has the whole address
        said = answer.headers.get("x-ms-error-code") or answer.reason
        raise requests.HTTPError(said, response=answer)
    if not is_of_storage and azure_errors.is_web_page(answer.headers.get("Content-Type", "")):
        raise requests.HTTPError("a web page instead of a log", response=answer)
    content: bytes = answer.content
    if answer.headers.get("Content-Length", str(len(content))) != str(len(content)):
        raise requests.ConnectionError("the log's answer ended prematurely")
    return content if answer.status_code == 206 else content[start:]


def _run_details(client: MLClient, name: str) -> Any:
    """The run history's record of a job: its state, and its log files with their addresses."""
    details = client.jobs._runs_operations.get_run_details(name)
    if not isinstance(getattr(details, "status", None), str):
        raise json.JSONDecodeError("the run history's answer has no status", "", 0)
    return details


def _children(client: MLClient, name: str) -> list[tuple[Any, str, str]]:
    """(child, name of its step, state)."""
    jobs = [job for job in client.jobs.list(parent_job_name=name) if job is not None]
    return [(job, job.display_name or job.name, _text(job.status)) for job in jobs]


def _error(details: Any) -> str:
    inner = getattr(getattr(details, "error", None), "error", None)
    return " ".join(str(getattr(inner, "message", "") or "").split())


def _pause(elapsed: float, shortest: float) -> float:
    """Short at first, while the user watches; later at most 5 seconds."""
    return min(max(shortest, elapsed / 20), max(5.0, shortest))


def _text(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
