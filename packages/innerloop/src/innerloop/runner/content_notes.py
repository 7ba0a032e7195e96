"""What a run is told of files in its code and data that are not what they seem."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..model.folder_contents import FETCH, FolderContents, count_links, listed, pointers_text
from ..model.jobs.job import Job
from ..util.errors import UserError
from ..workspace import submodules


def notes_on(contents: FolderContents, folder: str) -> Iterator[str]:
    """A note for each kind of pointer, and for broken links; `folder` is the one of the messages."""
    for kind, fetch in FETCH.items():
        pointers = [pointer for pointer in contents.pointers if pointer.kind == kind]
        if pointers:
            yield f"{pointers_text(pointers, folder)}. Fetch it with `{fetch}`"
    annexed = {pointer.path for pointer in contents.pointers if pointer.kind == "git-annex"}
    broken = [link for link in contents.links_in("broken") if link.path not in annexed]
    if broken:
        names = listed([f"{folder}/{link.path} to {link.text}" for link in broken])
        yield f"{count_links(len(broken), folder)} nowhere: {names}"


def notes_on_submodules(root: Path, path: str) -> Iterator[str]:
    names = submodules.missing_below(root, path)
    if names:
        yield f"{listed(names)} {submodule_text(names)}"


def submodule_text(names: list[str]) -> str:
    one = "is a submodule that is" if len(names) == 1 else "are submodules that are"
    return f"{one} not checked out. Fetch it with `git submodule update --init {names[0]}`"


def error_of(job: Job, name: str, contents: FolderContents, root: Path) -> UserError | None:
    """Why the data of an input cannot be used: the file is a pointer, the folder a submodule."""
    shown = shown_path(root, contents.folder)
    own = [pointer for pointer in contents.pointers if not pointer.path]
    if own:
        return UserError(
            f'the data of input "{name}" are not here: {pointers_text(own, shown)}',
            code="git-lfs-pointer" if own[0].kind == "git-lfs" else "data-not-fetched",
            where=job.where("inputs", name),
            hint=f"Fetch it with `{FETCH[own[0].kind]}`",
        )
    folder = Path(contents.folder)
    if any(folder.is_relative_to(path) for path in submodules.missing(root)):
        names = submodules.missing_below(root, contents.folder)
        return UserError(
            f'the data of input "{name}" are not here: {names[0]} is a submodule that is not checked '
            "out",
            code="submodule-missing",
            where=job.where("inputs", name),
            hint=f"Fetch it with `git submodule update --init {names[0]}`",
        )
    return None


def shown_path(root: Path, path: str) -> str:
    """Relative to the root with "/"; the path itself outside of the workspace."""
    try:
        relative = os.path.relpath(path, os.path.realpath(root)).replace(os.sep, "/")
    except ValueError:  # another drive
        return path
    return path if relative.startswith("..") else relative
