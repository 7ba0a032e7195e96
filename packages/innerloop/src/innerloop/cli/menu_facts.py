"""What a workspace and this machine have, as far as `loop menu` needs it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..docker import client
from ..model import deployment
from ..model.workspace import Workspace
from ..remote import base
from ..util.errors import UserError
from ..workspace import loader
from .menu_entries import MenuFacts


def facts_of(workspace: Workspace) -> MenuFacts:
    """An experiment that cannot be read counts by its files."""
    root = Path(workspace.root)
    paths = {name: workspace.paths_of(name) for name in workspace.experiments}
    names = workspace.experiments
    with_job = tuple(name for name in names if (root / paths[name].job).is_file())
    return MenuFacts(
        experiments=names,
        with_job=with_job,
        deployed=tuple(
            name for name in names if (root / paths[name].folder / deployment.FOLDER).is_dir()
        ),
        clustered=tuple(name for name in with_job if _has_cluster(workspace, name)),
        machines=tuple(base.machine_names(root)),
        engine=loader.current_experiment() is None and client.is_installed(),
    )


def _has_cluster(workspace: Workspace, name: str) -> bool:
    with suppress(UserError):
        return bool(loader.open_experiment(workspace, name).settings.argo)
    return bool(workspace.settings.argo)
