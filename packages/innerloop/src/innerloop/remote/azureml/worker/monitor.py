"""Looks at jobs: their state, their logs as they grow, their end."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

Tell = Callable[..., None]
ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
# What the job's own program prints, of the first process where there are several; older jobs keep
# it elsewhere. Source: azure-ai-ml 1.35, JobLogPattern.
_LOGS = re.compile(
    r"user_logs/std_log[\D]*0*(?:_ps)?\.txt|azureml-logs/\d\d_driver_log.*\.txt"
    r"|azureml-logs/hyperdrive\.txt|logs/azureml/executionlogs\.txt"
)


def status(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    job = client.jobs.get(request["name"])
    try:
        details = _details(client, job.name)
    except ResourceNotFoundError:  # it has just been made: run history follows a little later
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
            {"name": one.name, "step": step, "status": state} for one, step, state in children
        ],
    }


def cancel(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """The state before and after; a job that has ended already is left as it is."""
    before = _text(client.jobs.get(request["name"]).status)
    if before in ENDED:
        return {"before": before, "after": before}
    client.jobs.begin_cancel(request["name"]).result()
    return {"before": before, "after": _text(client.jobs.get(request["name"]).status)}


def follow(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """Tells what the logs hold from their start, and with `follow` what is added until the end."""
    name = request["name"]
    parent = client.jobs.get(name)
    heads = {name: _Head(name, "")}
    state = ""
    began = time.monotonic()
    while True:
        details = _details(client, name)
        if details.status != state:
            state = details.status
            tell("state", of="", state=state)
        if parent.type in ("pipeline", "sweep"):
            _look_at_children(client, name, heads, tell)
        if request["logs"]:
            heads[name].read(details.log_files or {}, tell)
        if state in ENDED or not request["follow"]:
            break
        tell("beat")
        time.sleep(_pause(time.monotonic() - began, request["pause"]))
    return {
        "status": state,
        "error": _error(details),
        "started": _text(details.start_time_utc),
        "ended": _text(details.end_time_utc),
        "logs": sum(head.told for head in heads.values()),
    }


def _look_at_children(client: MLClient, name: str, heads: dict[str, _Head], tell: Tell) -> None:
    for one, step, state in _children(client, name):
        head = heads.setdefault(one.name, _Head(one.name, step))
        if head.state != state:
            head.state = state
            tell("state", of=step, state=state)
        if not head.ended:
            head.read(_details(client, one.name).log_files or {}, tell)
            head.ended = state in ENDED


@dataclass
class _Head:
    """How far the logs of one job have been read. Only what is new is asked for."""

    name: str
    step: str
    state: str = ""
    ended: bool = False
    told: int = 0
    at: dict[str, int] = field(default_factory=dict)
    decoders: dict[str, Any] = field(default_factory=dict)

    def read(self, addresses: Mapping[str, str], tell: Tell) -> None:
        for path in sorted(one for one in addresses if _LOGS.fullmatch(one)):
            content = _from(addresses[path], self.at.get(path, 0))
            if not content:
                continue
            self.at[path] = self.at.get(path, 0) + len(content)
            make = codecs.getincrementaldecoder("utf-8")
            decoder = self.decoders.setdefault(path, make("replace"))
            self.told += len(content)
            tell("log", of=self.step, file=path, text=decoder.decode(content))


def _from(address: str, start: int) -> bytes:
    """The bytes of a log from `start` on; none when there are none yet."""
    answer = requests.get(address, headers={"Range": f"bytes={start}-"}, timeout=(10, 60))
    if answer.status_code in (404, 416):
        return b""
    answer.raise_for_status()
    content: bytes = answer.content
    return content if answer.status_code == 206 else content[start:]


def _details(client: MLClient, name: str) -> Any:
    """Run history's record of a job: its state, its log files with addresses to read them at."""
    return client.jobs._runs_operations.get_run_details(name)


def _children(client: MLClient, name: str) -> list[tuple[Any, str, str]]:
    """Each child with its step's name and its state."""
    listed = [one for one in client.jobs.list(parent_job_name=name) if one is not None]
    return [(one, one.display_name or one.name, _text(one.status)) for one in listed]


def _error(details: Any) -> str:
    inner = getattr(getattr(details, "error", None), "error", None)
    return " ".join(str(getattr(inner, "message", "") or "").split())


def _pause(elapsed: float, shortest: float) -> float:
    """Often at first, when a person looks; then no more than every 5 seconds."""
    return min(max(shortest, elapsed / 20), max(5.0, shortest))


def _text(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
