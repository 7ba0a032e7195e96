"""Create a job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import MLClient, load_job
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from ...worker.protocol import AGAIN
from . import azure_errors
from .client_setup import last_answer, unrefused


def submit(client: MLClient, request: Mapping[str, Any], emit: Callable[..., None]) -> Any:
    """`overrides` are (path, value) on top of the file.

    With `resume` an existing job of that name is the answer: an earlier submission was interrupted
    after it had arrived. `ours`: the tool chose the name, not the user.
    """
    name = request["name"]
    os.chdir(request["root"])  # the client runs git in the working directory
    if request["resume"]:
        existing = _existing(client, request)
        if existing is not None:
            return _answer(existing, existed=True)
        emit("absent")
    overrides = [{path: value} for path, value in request["overrides"]]
    job = load_job(request["file"], params_override=[*overrides, {"name": name}])
    emit("loaded")
    before = unrefused()
    try:
        return _answer(_create(client, job, request, emit), existed=False)
    except ResourceExistsError as error:
        explained = azure_errors.explain(error, request)
        is_lost_answer = request["ours"] or unrefused() > before
        if explained.code != "exists" or not is_lost_answer:
            raise
        # Nobody else chooses such a name, or an earlier attempt got no answer: the job is there.
        emit("creating")
        existing = _existing(client, request)
        if existing is None:
            emit("not-created")
            raise azure_errors.NoSuchConflict from error
        if not (request["ours"] or _is_same(existing, job)):
            emit("not-created")
            raise
        return _answer(existing, existed=True)


def _create(
    client: MLClient, job: Any, request: Mapping[str, Any], emit: Callable[..., None]
) -> Any:
    """The new job.

    Where the client gives up at the first failure that passes, before the job is sent, it is asked
    once more: it finds what it has uploaded.
    """
    before = unrefused()
    for wait in (*_WAITS, None):
        try:
            return client.jobs.create_or_update(job)
        except Exception as error:
            last = last_answer()
            explained = azure_errors.explain(error, request, last.host, last)
            passes = explained.code in ("slow-down", "service") or explained.again == AGAIN
            if not passes or last.was_tried or wait is None or unrefused() > before:
                raise
            emit("message", text=f"{explained.what}; trying again in {wait} s")
            emit("heartbeat", wait=wait)
            time.sleep(wait)
    raise AssertionError("the loop returns or raises")


# Seconds before another attempt at what the client itself does not try again.
_WAITS = (2, 8)


def _existing(client: MLClient, request: Mapping[str, Any]) -> Any:
    """The job of the submission's name; None if Azure says that there is none."""
    try:
        return client.jobs.get(request["name"])
    except ResourceNotFoundError as error:
        if azure_errors.explain(error, request).code != "not-found":
            raise  # there is no such workspace
        return None


def _is_same(existing: Any, job: Any) -> bool:
    """Whether a job of a name that the user chose is the one that was sent here."""
    parts = ("type", "command", "experiment_name", "display_name")
    sent = {part: getattr(job, part, None) for part in parts}
    return all(
        value is None or str(value) == str(getattr(existing, part, None) or "")
        for part, value in sent.items()
    )


def _answer(job: Any, *, existed: bool) -> dict[str, Any]:
    return {
        "name": job.name,
        "url": job.studio_url or "",
        "status": str(getattr(job.status, "value", job.status) or ""),
        "existed": existed,
    }
