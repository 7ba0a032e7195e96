"""What the job files of a workspace name, for completion in another one."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..model.asset_files import AssetKind
from ..model.jobs.job_completion import WorkspaceValues, sorted_values, values_in
from ..model.workspace import Workspace
from ..util import regular_files, yaml_text
from ..util.errors import UserError
from . import asset_catalogue, loader, read_states

# Job files that are read, and their largest size in bytes.
MOST_FILES = 300
LARGEST = 400_000
# Levels of folders below a job file's that are searched.
_DEEPEST = 3


def read(workspace: Workspace, path: str) -> WorkspaceValues:
    """The values for the job file at a path, which need not exist."""
    root = Path(workspace.root)
    home = posixpath.dirname(path)
    documents = {file: _document(root / file) for file in _yaml_files(workspace, home)}
    pairs = [pair for document in documents.values() for pair in values_in(document)]
    components = [
        _from(file, home)
        for file, document in documents.items()
        if file != path and _is_component(document)
    ]
    try:
        settings = loader.experiment_for_job(workspace, path).settings.data
        data_paths = {name: one.path for name, one in settings.items() if one.path}
    except (UserError, OSError):  # what is wrong with the settings is said by `check`
        data_paths = {}
    assets = {
        (asset.kind, name): asset.file
        for asset in asset_catalogue.of_workspace(os.path.normpath(root)).all()
        for name in (asset.reference, f"azureml:{asset.name}@latest")
    }
    data = (*sorted_values(pairs, "data"), *_named("data", assets), *_local_data(root, home))
    environments = {*sorted_values(pairs, "environment"), *_named("environment", assets)}
    return WorkspaceValues(
        computes=sorted_values(pairs, "compute"),
        environments=tuple(sorted(environments)),
        data=tuple(dict.fromkeys(data)),
        components=(*sorted(components), *_named("component", assets)),
        described={name: file for (_, name), file in assets.items()},
        build_folders=tuple(sorted(_build_folders(root / home))),
        data_paths=data_paths,
        exists=loader.WorkspaceFiles(root).exists,
    )


def _yaml_files(workspace: Workspace, home: str) -> list[str]:
    """The YAML files of all experiments, and those beside the job file; the nearest first."""
    root = Path(workspace.root)
    folders = [home, *(workspace.paths_of(name).folder for name in workspace.experiments)]
    found: dict[str, None] = {}
    for folder in folders:
        for path in _below(root / folder, _DEEPEST):
            if path.endswith((".yaml", ".yml")) and len(found) < MOST_FILES:
                found[os.path.relpath(path, root).replace(os.sep, "/")] = None
    return list(found)


def _below(folder: Path, depth: int) -> Iterator[str]:
    """The files below a folder; links to folders are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if depth and entry.name not in read_states.NOT_READ and not entry.name.startswith("."):
                yield from _below(Path(entry.path), depth - 1)
        else:
            yield entry.path


def _document(file: Path) -> Any:
    try:
        content = regular_files.read_bytes(file, LARGEST)
        return yaml_text.parse(content.decode("utf-8-sig"), file.name).value
    except (OSError, UserError, UnicodeDecodeError):
        return None


def _named(kind: AssetKind, assets: Mapping[tuple[AssetKind, str], str]) -> list[str]:
    return sorted(name for of_kind, name in assets if of_kind == kind)


def _is_component(document: Any) -> bool:
    from ..model.jobs.job_completion import kind_of

    return isinstance(document, dict) and kind_of(document) == "component"


def _build_folders(folder: Path) -> Iterator[str]:
    """Folders with a Dockerfile below a job file's, as the job file names them."""
    for path in _below(folder, _DEEPEST):
        name = os.path.basename(path)
        if name == "Dockerfile":
            below = os.path.relpath(os.path.dirname(path), folder).replace(os.sep, "/")
            yield "." if below == "." else f"./{below}"


def _local_data(root: Path, home: str) -> list[str]:
    """The folders and files of data/ that stand for Azure ML's data of the same name."""
    try:
        names = sorted(os.listdir(root / "data"))
    except OSError:
        return []
    return [
        f"azureml:{name}@latest"
        for name in names
        if name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    ][:200]


def _from(file: str, home: str) -> str:
    relative = posixpath.relpath(file, home or ".")
    return relative if relative.startswith("../") else f"./{relative}"
