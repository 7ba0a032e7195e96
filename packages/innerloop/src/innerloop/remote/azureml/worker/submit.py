"""Create a job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import MLClient, load_job
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError


def submit(client: MLClient, request: Mapping[str, Any], emit: Callable[..., None]) -> Any:
    """`overrides` are (path, value) on top of the file.

    With `resume` an existing job of that name is the answer: an earlier submission was interrupted
    after it had arrived. `ours`: the tool chose the name, not the user.
    """
    name = request["name"]
    os.chdir(request["root"])  # the client runs git in the working directory
    if request["resume"]:
        try:
            return _answer(client.jobs.get(name), existed=True)
        except ResourceNotFoundError:
            pass
    overrides = [{path: value} for path, value in request["overrides"]]
    job = load_job(request["file"], params_override=[*overrides, {"name": name}])
    emit("loaded")
    try:
        return _answer(client.jobs.create_or_update(job), existed=False)
    except ResourceExistsError:
        if not request["ours"]:
            raise
        # Nobody else chooses such a name: the answer to the first attempt was lost.
        return _answer(client.jobs.get(name), existed=True)


def _answer(job: Any, *, existed: bool) -> dict[str, Any]:
    return {
        "name": job.name,
        "url": job.studio_url or "",
        "status": str(getattr(job.status, "value", job.status) or ""),
        "existed": existed,
    }
