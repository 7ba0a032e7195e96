"""The files of a repository as a value: their paths, and the texts that say what they are. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from ...util.quick_dataclasses import dataclass


@dataclass(frozen=True)
class RepositoryTree:
    """`paths` are sorted, relative to the root, with "/"; `texts` has those of small files.

    `is_partial`: the repository has more files than were looked at.
    """

    paths: tuple[str, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    is_partial: bool = False

    @cached_property
    def files(self) -> frozenset[str]:
        return frozenset(self.paths)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder with a file in it or below it; "." is the root."""
        found = {"."}
        for path in self.paths:
            folder = posixpath.dirname(path)
            while folder and folder not in found:
                found.add(folder)
                folder = posixpath.dirname(folder)
        return frozenset(found)


def tree_of(texts: Mapping[str, str]) -> RepositoryTree:
    """The tree of these files and no others."""
    return RepositoryTree(tuple(sorted(texts)), texts)


def distance(one: str, other: str) -> int:
    """The number of steps between two folders, up and down; "" and "." are the root."""
    here, there = _parts(one), _parts(other)
    same = 0
    while same < min(len(here), len(there)) and here[same] == there[same]:
        same += 1
    return len(here) + len(there) - 2 * same


def upwards(folder: str) -> list[str]:
    """The folder and those around it, the root last as "."."""
    parts = _parts(folder)
    return [*("/".join(parts[:length]) for length in range(len(parts), 0, -1)), "."]


def joined(folder: str, path: str) -> str:
    """A path from the root; "." for the root itself. It may begin with ".." outside of it."""
    plain = path.removeprefix("file:").replace("\\", "/")
    return posixpath.normpath(posixpath.join(folder, plain))


def _parts(folder: str) -> list[str]:
    return [] if folder in ("", ".") else folder.split("/")
