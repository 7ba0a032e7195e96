"""Whose each file of a workspace is, and whether somebody edited it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..sync import file_states
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import adopted_template, made_files, marked_block
from .leave import FOLDER

Owner = Literal["tool", "shared", "team"]
# What is no file of the workspace: git ignores it, or it is git's.
_OUTSIDE = {".git", "outputs", ".venv", *made_files.CACHES}


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file, or a folder with a slash at its end. `state` is "" for what is the team's alone."""

    path: str
    owner: Owner
    state: str = ""


def table(root: Path) -> list[OwnedFile]:
    """Every file of the tool's and every shared one; of the team's, the folders that hold them."""
    known = [*_tools(root), *_shared(root)]
    taken = [file for file in known if file.owner == "team"]
    others = [file for file in known if file.owner != "team"]
    own = [*taken, *_teams(root, {file.path for file in known})]
    return [*others, *sorted(own, key=lambda file: file.path)]


def of_file(root: Path, path: str) -> OwnedFile:
    """The row of one path, which is relative to the root, with `/`."""
    known = {file.path: file for file in (*_tools(root), *_shared(root))}
    if path in known:
        return known[path]
    if not os.path.lexists(root / path):
        raise UserError("there is no such file", code="path-missing", where=path)
    if path == FOLDER or path.startswith(f"{FOLDER}/"):
        return OwnedFile(path, "tool", "notes on this machine")
    slash = "/" if (root / path).is_dir() else ""
    return OwnedFile(f"{path}{slash}", "team")


def _tools(root: Path) -> Iterator[OwnedFile]:
    template = adopted_template.of_root(root)
    for path in made_files.tools(template):
        if not os.path.lexists(root / path):
            yield OwnedFile(path, "tool", "missing")
        else:
            is_shipped = made_files.as_shipped(root, path, template)
            yield OwnedFile(path, "tool", "as shipped" if is_shipped else "edited")
    if os.path.lexists(root / FOLDER):
        yield OwnedFile(f"{FOLDER}/", "tool")


def _shared(root: Path) -> Iterator[OwnedFile]:
    template = adopted_template.of_root(root)
    for path in marked_block.FILES:
        try:
            text = files.read_own(root / path, plain=True)
        except UserError:  # not text: an upgrade leaves it alone
            yield OwnedFile(path, "team", "it cannot be read")
            continue
        block = None if text is None else marked_block.split(text).lines
        if block is not None:
            wanted = marked_block.split(made_files.text_of(template[path])).lines
            state = "as generated" if block == wanted else "edited"
            yield OwnedFile(path, "shared", f"{state} (the block)")
    for path, found in file_states.read(root).items():
        yield OwnedFile(path, "team" if found == "taken over" else "shared", found)


def _teams(root: Path, known: set[str]) -> Iterator[OwnedFile]:
    """The outermost folders and files in which nothing is known; experiments one by one."""
    around = {"src"} | {
        "/".join(parts[:length])
        for parts in (path.rstrip("/").split("/") for path in known)
        for length in range(1, len(parts))
    }
    todo = [""]
    while todo:
        below = todo.pop()
        for entry in sorted(os.scandir(root / below), key=lambda entry: entry.name):
            path = f"{below}{entry.name}"
            if {path, f"{path}/"} & known or (not below and entry.name in _OUTSIDE):
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and path in around:
                todo.append(f"{path}/")
            elif entry.name not in made_files.CACHES:
                yield OwnedFile(f"{path}/" if is_folder else path, "team")
