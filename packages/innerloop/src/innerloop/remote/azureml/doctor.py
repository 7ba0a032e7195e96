"""What `loop doctor --azure` says: the configuration, then what the workspace itself answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from ...workspace.deploy_folder import open_folder
from ..progress import News
from . import workspace_ref
from .connection import Line

# state ("ok", "note", "bad"), name, what, mend
Fact = tuple[str, str, str, str]


def facts(root: Path) -> Iterator[Fact]:
    """Nothing is sent while the configuration is missing or has not been filled in."""
    try:
        target = workspace_ref.find(root)
    except UserError as mistake:
        yield "bad", "configuration", _said(mistake), mistake.hint
        return
    where = f"{target.workspace} in {target.group}, from {target.source}"
    yield "ok", "configuration", where, ""
    workspace = loader.open_workspace(root)
    computes, servers = _computes(workspace), list(_servers(workspace))
    news = News("asking Azure")
    with Line(root) as line:
        try:
            told = line.ask("doctor", target, news.on_event, computes=computes, servers=servers)
        except UserError as mistake:
            yield "bad", "azure", mistake.what, mistake.hint
            return
        finally:
            news.end()
    for state, name, what, hint in told:
        by = f", by {line.signed_in_by}" if name == "sign-in" and line.signed_in_by else ""
        yield state, name, what + by, hint


def _computes(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """The computes that the job files name, each with what its jobs want of it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            job = loader.open_job(workspace, experiment)
        except UserError:
            continue
        compute = (job.compute or "").removeprefix("azureml:")
        if compute and "<" not in compute:
            wants = {"name": name, "nodes": job.instance_count, "gpu": experiment.settings.gpu}
            found.setdefault(compute, []).append(wants)
    return found


def _servers(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The machines that the deploy folders want."""
    for name in workspace.experiments:
        try:
            file = open_folder(workspace, loader.open_experiment(workspace, name)).deployment
        except UserError:
            continue
        if file.instance_type:
            yield {"name": name, "type": file.instance_type, "count": file.instance_count}


def _said(mistake: UserError) -> str:
    return f"{mistake.where}: {mistake.what}" if mistake.where else mistake.what
