"""Reads an experiment's deploy folder."""

from __future__ import annotations

from pathlib import Path

from ..model.deployment import (
    ENDPOINT_FILE,
    FOLDER,
    SAMPLE,
    Deployment,
    Endpoint,
    deployment_file,
    parse_deployment,
    parse_endpoint,
)
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeployFolder:
    """A deploy folder.

    `folder` is relative to the workspace. `endpoint` is None without an endpoint file; `sample`,
    also relative to the workspace, is None without a sample request.
    """

    folder: str
    deployment: Deployment
    endpoint: Endpoint | None
    sample: str | None


def open_folder(workspace: Workspace, experiment: Experiment) -> DeployFolder:
    """Read the experiment's deploy folder. UserError if there is none, or its files are invalid."""
    root, folder = Path(workspace.root), f"{experiment.folder}/{FOLDER}"
    names = names_in(root / folder)
    if not names:
        raise UserError(
            f"{experiment.name} has no deploy folder, which describes how its model is served",
            code="deploy-folder-missing",
            where=folder,
            hint=_how_to_get_one(workspace),
        )
    file = f"{folder}/{deployment_file(names, folder)}"
    endpoint = files.read_text(root / folder / ENDPOINT_FILE)
    samples = [name for name in names if name.rpartition(".")[0] == SAMPLE]
    return DeployFolder(
        folder=folder,
        deployment=parse_deployment(files.read_text(root / file) or "", file),
        endpoint=(
            None if endpoint is None else parse_endpoint(endpoint, f"{folder}/{ENDPOINT_FILE}")
        ),
        sample=f"{folder}/{samples[0]}" if samples else None,
    )


def _how_to_get_one(workspace: Workspace) -> str:
    for name in workspace.experiments:
        if Path(workspace.root, workspace.paths_of(name).folder, FOLDER).is_dir():
            return f"Copy src/{name}/{FOLDER} and change it, or create one with `loop new --from {name}`"
    return "`scripts/loop help serve` describes its files"


def names_in(folder: Path) -> list[str]:
    """The names of the files directly in a folder, sorted; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_file())
