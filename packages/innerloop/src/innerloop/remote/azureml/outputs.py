"""Download a job's outputs, laid out like those of local runs."""

from __future__ import annotations

import os
from pathlib import Path

from ...model.paths import SCRATCH
from ...util import files
from ..base import Fetched, JobStatus
from .connection import AzureConnection
from .workspace_ref import WorkspaceRef

STAGING = f"{SCRATCH}/download"


def local_path(path: str) -> str:
    """The path in the run's folder for a file of Azure ML's download.

    What the program wrote to ./outputs is at the top, a named output in a folder of its name, and
    logs are beside them.
    """
    for prefix, replacement in (
        ("artifacts/outputs/", ""),
        ("hd-artifacts/", "sweep/"),
        ("artifacts/", ""),
        ("named-outputs/", ""),
    ):
        if path.startswith(prefix):
            return replacement + path.removeprefix(prefix)
    return path


def download(
    root: Path,
    job: str,
    into: str,
    target: WorkspaceRef,
    connection: AzureConnection,
    output: str = "",
) -> Fetched:
    """Download a job's outputs, or one `output` of it, into the folder `into`.

    Files are downloaded to a staging folder first, so an interruption leaves nothing partial in
    `into`.
    """
    staging = root / f"{STAGING}-{job}"
    files.remove_tree(staging)
    files.make_folder(staging)
    try:
        answer = connection.ask_with_progress(
            "download", target, f"downloading {job}", name=job, into=str(staging), output=output
        )
        paths = sorted(_files(staging))
        for path in paths:
            destination = root / into / local_path(path)
            files.make_folder(destination.parent)
            files.put(staging / path, destination)
    finally:
        files.remove_tree(staging)
    sizes = [(root / into / local_path(path)).stat().st_size for path in paths]
    return Fetched(JobStatus(**answer), len(paths), sum(sizes))


def _files(folder: Path) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
        for parent, _, names in os.walk(folder)
        for name in names
    ]
