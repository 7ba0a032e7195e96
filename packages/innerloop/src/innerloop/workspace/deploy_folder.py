"""An experiment's deploy folder, read off the disk."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class DeployFolder:
    """`folder` is relative to the workspace. `endpoint` is None where the folder has no such file,
    `sample` (relative to the workspace as well) where it has no sample request."""

    folder: str
    deployment: Deployment
    endpoint: Endpoint | None
    sample: str | None


def open_folder(workspace: Workspace, experiment: Experiment) -> DeployFolder:
    """A `Mistake` where there is none, or where its files cannot be used."""
    root, folder = Path(workspace.root), f"{experiment.folder}/{FOLDER}"
    names = names_in(root / folder)
    if not names:
        raise UserError(
            f"{experiment.name} has no deploy folder: nothing says how its model is served",
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
        if Path(workspace.root, "src", name, FOLDER).is_dir():
            return f"Copy src/{name}/{FOLDER} and change it, or begin with `loop new --from {name}`"
    return "`scripts/loop help serve` says what belongs into one"


def names_in(folder: Path) -> list[str]:
    """The names of the files directly in a folder, sorted; none where it is not there."""
    return sorted(one.name for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []
