"""Sends a job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import MLClient, load_job
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError


def submit(client: MLClient, request: Mapping[str, Any], tell: Callable[..., None]) -> Any:
    """`overrides` are (path, value) on top of the file. With `resume` a job of that name that is
    there already is the answer: an earlier submission was cut off after it had arrived. `ours`:
    the name was made here, not chosen by a person."""
    name = request["name"]
    os.chdir(request["root"])  # the client asks git from where it stands
    if request["resume"]:
        try:
            return _told(client.jobs.get(name), existed=True)
        except ResourceNotFoundError:
            pass
    overrides = [{path: value} for path, value in request["overrides"]]
    job = load_job(request["file"], params_override=[*overrides, {"name": name}])
    tell("loaded")
    try:
        return _told(client.jobs.create_or_update(job), existed=False)
    except ResourceExistsError:
        if not request["ours"]:
            raise
        # Nobody else makes such a name: the answer to the first try was lost on its way.
        return _told(client.jobs.get(name), existed=True)


def _told(job: Any, *, existed: bool) -> dict[str, Any]:
    return {
        "name": job.name,
        "url": job.studio_url or "",
        "status": str(getattr(job.status, "value", job.status) or ""),
        "existed": existed,
    }
