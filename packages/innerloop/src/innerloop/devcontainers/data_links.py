"""Links of an experiment that a dev container could not follow.

The workspace is mounted at another path than the host's, and alone: what links of the data lead to,
out of it, is mounted for reading where the container's system looks for it. A link of the code that
git checked out as a text file has its target mounted in its place.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..model import link_mounts
from ..model.container import Mount
from ..model.experiment import Experiment
from ..model.folder_contents import (
    FolderContents,
    FolderLink,
    LinkState,
    count_links,
    listed,
)
from ..model.paths import is_within
from ..model.workspace import Workspace
from ..util import git_folders
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import asset_catalogue, folder_reader, loader, text_links

# Where the devcontainer CLI and VS Code mount a folder, if the configuration names no other place.
_PARENT = "/workspaces"


@dataclass(frozen=True, slots=True)
class DataLinks:
    """`mounts` are for reading. `grants` and `notes` are clauses for the person."""

    mounts: tuple[Mount, ...] = ()
    grants: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def added_to(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """A devcontainer.json's value with the mounts."""
        mounts = value.get("mounts")
        others = mounts if isinstance(mounts, list) else []
        return {**value, "mounts": [*others, *(mount.text() for mount in self.mounts)]}


def of_experiment(
    workspace: Workspace, experiment: Experiment, value: Mapping[str, Any]
) -> DataLinks:
    """Those of the data that the experiment's own job names, and text files in place of links.

    Empty where the configuration mounts the workspace in a way of its own.
    """
    is_usual = not {"workspaceMount", "dockerComposeFile"} & set(value)
    if workspace.host or not is_usual:
        return DataLinks()
    root = os.path.realpath(workspace.root)
    found = git_folders.find(Path(workspace.root))
    top = os.path.realpath(found.work_tree) if found is not None else root
    inside = posixpath.join(_PARENT, os.path.basename(top))
    below = os.path.relpath(root, top).replace(os.sep, "/")
    own = posixpath.normpath(posixpath.join(inside, below))
    texts = _of_text_files(workspace, experiment, root, own)
    return texts if os.name == "nt" else _of_data(workspace, experiment, root, top, own, texts)


def _of_text_files(workspace: Workspace, experiment: Experiment, root: str, own: str) -> DataLinks:
    """Mounts of what text files of the code stand for; `own` is the workspace's folder inside."""
    mounts, folders = [], []
    for path, target in text_links.targets(Path(workspace.root), experiment.folder).items():
        source = os.path.join(root, *target.split("/"))
        if os.path.isdir(source):
            folders.append(path)
        elif "," not in source and "," not in path:
            mounts.append(Mount(source, posixpath.join(own, path)))
    note = (
        f"{listed(folders)}: a text file in place of a link to a folder, which a dev container "
        "cannot follow; `scripts/loop run` follows it there, too"
    )
    return DataLinks(tuple(mounts), notes=(note,) if folders else ())


def _of_data(
    workspace: Workspace, experiment: Experiment, root: str, top: str, own: str, texts: DataLinks
) -> DataLinks:
    """Those of the data, after `texts`."""
    inside = posixpath.join(_PARENT, os.path.basename(top))
    folders = [
        (contents, posixpath.normpath(posixpath.join(own, path)))
        for path, contents in _contents(workspace, experiment, root)
    ]
    planned = link_mounts.plan(
        folders,
        [Mount(top, inside)],
        root=root,
        home=os.path.realpath(os.path.expanduser("~")),
        resolve=os.path.realpath,
    )
    # The devcontainer CLI splits a mount at its commas.
    mounts = tuple(m for m in planned.mounts if "," not in m.source and "," not in m.target)
    kept = link_mounts.LinkMounts(mounts)
    grants = tuple(f"reads {source} by links in its data" for source in kept.outside(root))
    names = listed([f"{link.at} to {link.text}" for link in planned.missed])
    notes = (
        (f"{count_links(len(planned.missed))} nowhere in the container: {names}",)
        if planned.missed
        else ()
    )
    return DataLinks((*texts.mounts, *mounts), grants, (*texts.notes, *notes))


def _contents(
    workspace: Workspace, experiment: Experiment, root: str
) -> Iterator[tuple[str, FolderContents]]:
    """The folders of data, or the first link on the way to them, relative to the root."""
    try:
        job = loader.open_job(workspace, experiment)
    except UserError:
        return
    for name, input_ in job.inputs.items():
        setting = experiment.settings.data.get(name)
        if input_.kind != "data" or not (input_.path or (setting and setting.path)):
            continue
        path = setting.path if setting and setting.path else ""
        path = path or asset_catalogue.location_of(Path(root), job.name, input_)[0].path
        full = os.path.normpath(os.path.join(root, path))
        if not is_within(full, root) or not os.path.exists(full):
            continue
        yield _first_link(os.path.relpath(full, root), root)


def _first_link(path: str, root: str) -> tuple[str, FolderContents]:
    """What is read of a folder in the workspace; a link on the way to it counts as a link in it."""
    parts = path.split(os.sep)
    for count in range(1, len(parts) + 1):
        at = os.path.join(root, *parts[:count])
        if os.path.islink(at):
            parent = os.path.dirname(at)
            target = os.path.realpath(at)
            below = folder_reader.read(Path(target))
            state: LinkState = "inside" if is_within(target, parent) else "outside"
            is_folder = os.path.isdir(target)
            link = FolderLink(parts[count - 1], at, os.readlink(at), target, state, is_folder)
            relative = os.path.relpath(parent, root)
            return relative, FolderContents(parent, (link, *below.links))
    return path, folder_reader.read(Path(root, path))
