"""Monitor jobs: their state, their logs as they grow, their end."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from ...worker.protocol import Emit

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
    """Emits the logs from their start, and with `follow` what is added until the end."""
    name = request["name"]
    parent = client.jobs.get(name)
    logs = {name: JobLog(name, "")}
    state = ""
    began = time.monotonic()
    while True:
        details = _run_details(client, name)
        if details.status != state:
            state = details.status
            emit("state", of="", state=state)
        if parent.type in ("pipeline", "sweep"):
            _read_children(client, name, logs, emit)
        if request["logs"]:
            logs[name].read(details.log_files or {}, emit)
        if state in ENDED or not request["follow"]:
            break
        emit("heartbeat")
        time.sleep(_pause(time.monotonic() - began, request["pause"]))
    return {
        "status": state,
        "error": _error(details),
        "started": _text(details.start_time_utc),
        "ended": _text(details.end_time_utc),
        "logs": sum(log.read_bytes for log in logs.values()),
    }


def _read_children(client: MLClient, name: str, logs: dict[str, JobLog], emit: Emit) -> None:
    for job, step, state in _children(client, name):
        log = logs.setdefault(job.name, JobLog(job.name, step))
        if log.state != state:
            log.state = state
            emit("state", of=step, state=state)
        if not log.ended:
            log.read(_run_details(client, job.name).log_files or {}, emit)
            log.ended = state in ENDED


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

    def read(self, addresses: Mapping[str, str], emit: Emit) -> None:
        for path in sorted(path for path in addresses if _LOGS.fullmatch(path)):
            content = _read_log(addresses[path], self.at.get(path, 0))
            if not content:
                continue
            self.at[path] = self.at.get(path, 0) + len(content)
            make = codecs.getincrementaldecoder("utf-8")
            decoder = self.decoders.setdefault(path, make("replace"))
            self.read_bytes += len(content)
            emit("log", of=self.step, file=path, text=decoder.decode(content))


def _read_log(address: str, start: int) -> bytes:
    """The bytes of a log from `start` on; b"" if there are none yet."""
    answer = requests.get(address, headers={"Range": f"bytes={start}-"}, timeout=(10, 60))
    if answer.status_code in (404, 416):
        return b""
    answer.raise_for_status()
    content: bytes = answer.content
    return content if answer.status_code == 206 else content[start:]


def _run_details(client: MLClient, name: str) -> Any:
    """The run history's record of a job: its state, and its log files with their addresses."""
    return client.jobs._runs_operations.get_run_details(name)


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
