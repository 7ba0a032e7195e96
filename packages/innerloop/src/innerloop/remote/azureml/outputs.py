"""A job's outputs, put beside those of local runs: `./outputs` of the job is the run's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...model.paths import SCRATCH
from ...util import files
from ..progress import News, files_of, megabytes
from .connection import Line
from .workspace_ref import Target

STAGING = f"{SCRATCH}/download"


def place_of(path: str) -> str:
    """Where a file of Azure ML's download belongs in the run's folder: what the program wrote to
    ./outputs at its top, a named output under its name, as local runs have both; logs beside."""
    for start, instead in (
        ("artifacts/outputs/", ""),
        ("hd-artifacts/", "sweep/"),
        ("artifacts/", ""),
        ("named-outputs/", ""),
    ):
        if path.startswith(start):
            return instead + path.removeprefix(start)
    return path


def download(
    root: Path, name: str, into: str, target: Target, line: Line, output: str = ""
) -> dict[str, Any]:
    """How many files came, and their bytes. They wait in a folder aside until all are there, so an
    interruption leaves nothing half."""
    staging = root / f"{STAGING}-{name}"
    files.remove_tree(staging)
    files.make_folder(staging)
    news = News(f"downloading {name}")
    try:
        told: Mapping[str, Any] = line.ask(
            "download", target, news.on_event, name=name, into=str(staging), output=output
        )
        found = sorted(_files(staging))
        for path in found:
            target_file = root / into / place_of(path)
            files.make_folder(target_file.parent)
            files.put(staging / path, target_file)
    finally:
        news.end()
        files.remove_tree(staging)
    sizes = [(root / into / place_of(path)).stat().st_size for path in found]
    return {**told, "files": len(found), "size": sum(sizes)}


def words(told: Mapping[str, Any]) -> str:
    return f"{files_of(told['files'])}, {megabytes(told['size'])}"


def _files(folder: Path) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
        for parent, _, names in os.walk(folder)
        for name in names
    ]
