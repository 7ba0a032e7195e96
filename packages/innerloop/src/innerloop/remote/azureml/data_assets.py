"""Azure ML's data assets and the folders in data/ that stand for them here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...model.paths import SCRATCH
from ...model.workspace import Workspace
from ...util import files
from ...util.errors import UsageError, UserError
from ...workspace import loader
from .. import snapshot
from ..progress import News
from .connection import Line
from .workspace_ref import Target

STAGING = f"{SCRATCH}/data"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data asset as a job file names it; `version` is "" for the latest."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return (
            f"azureml:{self.name}:{self.version}" if self.version else f"azureml:{self.name}@latest"
        )


def parse(word: str) -> Wanted:
    """`azureml:mnist:1`, `mnist:1`, `azureml:mnist@latest`, `mnist`, `data/mnist`."""
    plain = word.removeprefix("azureml:").removeprefix("data/").strip("/")
    name, _, version = plain.replace("@", ":").partition(":")
    if not _NAME.fullmatch(name) or "/" in version:
        raise UsageError(
            f'"{word}" is no data asset', hint="Write azureml:NAME:VERSION, or its name"
        )
    return Wanted(name, "" if version == "latest" else version)


def listed(root: Path, target: Target, line: Line, name: str | None) -> list[dict[str, Any]]:
    """The workspace's data assets, each with where it is here ("" when it is not)."""
    news = News("asking for data assets")
    found = line.ask("data_list", target, news.on_event, name=name)
    news.end()
    for one in found:
        here = f"data/{one['name']}"
        one["here"] = here if (root / here).exists() else ""
    return list(found)


def get(root: Path, wanted: Wanted, to: str | None, target: Target, line: Line) -> dict[str, Any]:
    """Fills data/NAME. What is there already is never touched; a folder that waits aside takes its
    place in one step once everything has come."""
    place = to or f"data/{wanted.name}"
    goal = root / place
    if goal.exists() and (goal.is_file() or any(goal.iterdir())):
        raise UserError(
            f"{place} is there already",
            hint=f"Move it away, or name another place: --to data/{wanted.name}-{wanted.version or 2}",
        )
    staging = root / f"{STAGING}-{wanted.name}"
    files.remove_tree(staging)
    files.make_folder(staging)
    news = News(f"getting {wanted} into {place}")
    try:
        told: Mapping[str, Any] = line.ask(
            "data_get", target, news.on_event,
            name=wanted.name, version=wanted.version, into=str(staging),
        )  # fmt: skip
        size, count = _measure(staging)
        if not count:
            raise UserError(f"{wanted} is empty", hint="Look at it in the studio")
        files.remove_if_empty(goal)
        files.make_folder(goal.parent)
        files.rename(staging, goal)
    finally:
        news.end()
        files.remove_tree(staging)
    return {**told, "here": place, "files": count, "size": size}


def register(
    workspace: Workspace,
    path: Path,
    name: str,
    version: str,
    description: str,
    target: Target,
    line: Line,
) -> dict[str, Any]:
    """Makes a new version of the asset of a folder or a file."""
    root = Path(workspace.root)
    if not path.exists():
        raise UserError("there is no such folder or file", where=_shown(root, path))
    if not _NAME.fullmatch(name):
        raise UsageError(f'"{name}" is no name for a data asset', hint="Choose one with --name")
    size = snapshot.read(root, os.path.relpath(path, root), contents=False).size
    news = News(f"registering {_shown(root, path)} as {name}", size)
    told: dict[str, Any] = line.ask(
        "data_register", target, news.on_event,
        name=name, version=version, description=description, path=str(path.resolve()),
    )  # fmt: skip
    news.end()
    if told["existed"]:
        raise UserError(
            f"azureml:{name}:{version} is there already, and a version never changes",
            hint="Leave --version away for a new one",
        )
    return {**told, "size": size, "sent": news.uploads}


def named_by(workspace: Workspace, name: str) -> list[tuple[str, str]]:
    """Which job files name an asset, and in which version: (file, "azureml:NAME:VERSION")."""
    found = []
    for one in workspace.experiments:
        try:
            job = loader.open_job(workspace, loader.open_experiment(workspace, one))
        except UserError:
            continue
        for given in job.inputs.values():
            if given.path and re.match(rf"azureml:{re.escape(name)}[:@]", given.path):
                found.append((job.name, given.path))
    return found


def _measure(folder: Path) -> tuple[int, int]:
    sizes = [
        Path(parent, name).stat().st_size for parent, _, names in os.walk(folder) for name in names
    ]
    return sum(sizes), len(sizes)


def _shown(root: Path, path: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
