"""Azure ML's data assets, and the folders in data/ that hold their local copies."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ...model.paths import SCRATCH
from ...model.workspace import Workspace
from ...util import files
from ...util.errors import UsageError, UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ...workspace import loader
from .. import snapshot
from ..progress import TransferProgress
from .connection import AzureConnection
from .workspace_ref import WorkspaceRef

STAGING = f"{SCRATCH}/data"
_NAME = late_pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True, slots=True)
class DataAssetRef:
    """A data asset as a job file names it; `version` is "" for the latest."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return (
            f"azureml:{self.name}:{self.version}" if self.version else f"azureml:{self.name}@latest"
        )


def parse(word: str) -> DataAssetRef:
    """`azureml:mnist:1`, `mnist:1`, `azureml:mnist@latest`, `mnist`, `data/mnist`."""
    plain = word.removeprefix("azureml:").removeprefix("data/").strip("/")
    name, _, version = plain.replace("@", ":").partition(":")
    if not _NAME.fullmatch(name) or "/" in version:
        raise UsageError(
            f'"{word}" is not a data asset',
            code="data-asset-name-invalid",
            hint="Write azureml:NAME:VERSION, or its name",
        )
    return DataAssetRef(name, "" if version == "latest" else version)


def list_assets(
    root: Path, target: WorkspaceRef, connection: AzureConnection, name: str | None
) -> list[dict[str, Any]]:
    """The workspace's data assets, each with its folder in this workspace ("here", "" for none)."""
    assets = connection.ask_with_progress("data_list", target, "asking for data assets", name=name)
    for asset in assets:
        folder = f"data/{asset['name']}"
        asset["here"] = folder if (root / folder).exists() else ""
    return list(assets)


def download(
    root: Path,
    asset: DataAssetRef,
    to: str | None,
    target: WorkspaceRef,
    connection: AzureConnection,
) -> dict[str, Any]:
    """Fills data/NAME, or `to`, which must not exist or be empty.

    Files are downloaded to a staging folder, which is renamed once it is complete.
    """
    folder = to or f"data/{asset.name}"
    destination = Path(os.path.normpath(root / folder))  # may be outside, if `to` says so
    if destination.exists() and (destination.is_file() or any(destination.iterdir())):
        raise UserError(
            f"{folder} exists already",
            code="target-exists",
            hint="Move it away, or name another folder: "
            f"--to data/{asset.name}-{asset.version or 2}",
        )
    staging = root / f"{STAGING}-{asset.name}"
    files.remove_tree(staging)
    files.make_folder(staging)
    try:
        answer = connection.ask_with_progress(
            "data_get", target, f"downloading {asset} to {folder}",
            name=asset.name, version=asset.version, into=str(staging),
        )  # fmt: skip
        size, count = _measure(staging)
        if not count:
            raise UserError(
                f"{asset} is empty", code="data-asset-empty", hint="Look at it in the studio"
            )
        files.remove_if_empty(destination)
        files.make_folder(destination.parent)
        files.rename(staging, destination)
    finally:
        files.remove_tree(staging)
    return {**answer, "here": folder, "files": count, "size": size}


def register(
    workspace: Workspace,
    path: Path,
    name: str,
    version: str,
    description: str,
    target: WorkspaceRef,
    connection: AzureConnection,
) -> dict[str, Any]:
    """Creates a new version of the asset from a folder or a file."""
    root = Path(workspace.root)
    shown = os.path.relpath(path, root).replace(os.sep, "/")
    if not path.exists():
        raise UserError("there is no such folder or file", code="path-missing", where=shown)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is not a valid name for a data asset',
            code="data-asset-name-invalid",
            hint="Choose one with --name",
        )
    size = snapshot.read(root, os.path.relpath(path, root), contents=False).size
    progress = TransferProgress(f"registering {shown} as {name}", size)
    try:
        answer: dict[str, Any] = connection.ask(
            "data_register", target, progress.on_event,
            name=name, version=version, description=description, path=str(path.resolve()),
        )  # fmt: skip
    finally:
        progress.close()
    if answer["existed"]:
        raise UserError(
            f"azureml:{name}:{version} exists already, and a version never changes",
            code="data-asset-exists",
            hint="Omit --version to create a new one",
        )
    return {**answer, "size": size, "sent": progress.uploads}


def references_to(workspace: Workspace, name: str) -> list[tuple[str, str]]:
    """(job file, "azureml:NAME:VERSION") of each job file that names the asset."""
    references: list[tuple[str, str]] = []
    for experiment in workspace.experiments:
        try:
            job = loader.open_job(workspace, loader.open_experiment(workspace, experiment))
        except UserError:
            continue
        paths = [input_.path for input_ in job.inputs.values() if input_.path]
        names = re.compile(rf"azureml:{re.escape(name)}[:@]")
        references += [(job.name, path) for path in paths if names.match(path)]
    return references


def _measure(folder: Path) -> tuple[int, int]:
    """Bytes and number of files."""
    sizes = [
        Path(parent, name).stat().st_size for parent, _, names in os.walk(folder) for name in names
    ]
    return sum(sizes), len(sizes)
