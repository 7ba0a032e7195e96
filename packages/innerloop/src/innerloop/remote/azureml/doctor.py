"""`loop doctor` for Azure ML: the configuration, then the facts that the workspace itself gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from ...workspace.deploy_folder import open_folder
from ..base import DoctorFact
from . import workspace_ref
from .connection import AzureConnection


def facts(root: Path, connection: AzureConnection) -> Iterator[DoctorFact]:
    """Nothing is sent while the configuration is missing or still a template."""
    try:
        target = workspace_ref.find(root)
    except UserError as error:
        yield "bad", "configuration", _with_position(error), error.hint
        return
    where = f"{target.workspace} in {target.group}, from {target.source}"
    yield "ok", "configuration", where, ""
    workspace = loader.open_workspace(root)
    computes, servers = _computes(workspace), list(_servers(workspace))
    try:
        answer = connection.ask_with_progress(
            "doctor", target, "asking Azure", computes=computes, servers=servers
        )
    except UserError as error:
        yield "bad", "azure", error.what, error.hint
        return
    for state, name, what, hint in answer:
        by = (
            f", by {connection.signed_in_by}"
            if name == "sign-in" and connection.signed_in_by
            else ""
        )
        yield state, name, what + by, hint


def _computes(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """The computes that the job files name, each with what its jobs require."""
    computes: dict[str, list[dict[str, Any]]] = {}
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            job = loader.open_job(workspace, experiment)
        except UserError:
            continue
        compute = (job.compute or "").removeprefix("azureml:")
        if compute and "<" not in compute:
            gpu = experiment.settings.gpu
            needs = {
                "name": name,
                "nodes": job.instance_count,
                "gpu": "all" if gpu.is_required else gpu.kind,
            }
            computes.setdefault(compute, []).append(needs)
    return computes


def _servers(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The machines that the deploy folders ask for."""
    for name in workspace.experiments:
        try:
            file = open_folder(workspace, loader.open_experiment(workspace, name)).deployment
        except UserError:
            continue
        if file.instance_type:
            yield {"name": name, "type": file.instance_type, "count": file.instance_count}


def _with_position(error: UserError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
