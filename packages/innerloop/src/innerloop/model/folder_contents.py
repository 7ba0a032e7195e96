"""What a folder of code or data holds besides ordinary files, as values. Pure.

Links that lead elsewhere, files whose content is not on this machine (pointers of git LFS and other
tools), and entries that are no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

LinkState = Literal["inside", "outside", "broken", "circular"]
PointerKind = Literal["git-lfs", "git-annex", "dvc"]

# How the content of a pointer is fetched.
FETCH: dict[PointerKind, str] = {
    "git-lfs": "git lfs pull",
    "git-annex": "git annex get .",
    "dvc": "dvc pull",
}
TOOL: dict[PointerKind, str] = {"git-lfs": "git LFS", "git-annex": "git-annex", "dvc": "DVC"}

# A pointer of git LFS is a text of less than 1,024 bytes. Source: git-lfs, docs/spec.md. git-annex
# writes "/annex/objects/KEY" into an unlocked file without content.
LARGEST_POINTER = 1024
_LFS = late_pattern(
    rb"version https?://(?:git-lfs\.github\.com/spec|hawser\.github\.com/spec|git-media\.io/v)/?[^\r\n]*"
    rb"\r?\n(?:ext-[^\r\n]*\r?\n)*oid [a-z0-9]+:[0-9a-f]{32,}\r?\n(?:size \d+)"
)
_ANNEX = late_pattern(rb"/annex/objects/[^\r\n]+")
_ANNEX_LINK = late_pattern(r"(?:^|[/\\])(?:\.git[/\\](?:[^/\\]+[/\\])*)?annex[/\\]objects[/\\]")
# Folders of every system and image: what is in them is no data, and what is mounted there would hide a
# part of an image.
_OF_SYSTEM = late_pattern(
    r"/(?:(?:bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|sbin|sys|usr|var)(?:/|$)|run(?!/media/))"
)


@dataclass(frozen=True, slots=True)
class FolderLink:
    """A symbolic link.

    `path` is relative to the folder that was read, with "/"; for a link in a folder that another
    link leads to, it is the path through that link. `at` is the link's own path with all links above
    it resolved, `text` what is written in it, `target` where it ends, with all links resolved ("" if
    it is broken).
    """

    path: str
    at: str
    text: str
    target: str
    state: LinkState
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """A file that stands for content which is not here; `path` as in `FolderLink`."""

    path: str
    kind: PointerKind


@dataclass(frozen=True, slots=True)
class SpecialFile:
    """A named pipe, a socket or a device; `kind` with its article."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class FolderContents:
    """`folder` is absolute, without links. `unreadable` are folders that cannot be listed.

    `names` are the names that were seen. `is_partial`: the folder has more entries than are read.
    """

    folder: str
    links: tuple[FolderLink, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    specials: tuple[SpecialFile, ...] = ()
    unreadable: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_partial: bool = False

    def links_in(self, *states: LinkState) -> tuple[FolderLink, ...]:
        return tuple(link for link in self.links if link.state in states)


def pointer_of(content: bytes) -> PointerKind | None:
    """What the content of a small file says it stands for; None for ordinary content."""
    if len(content) < LARGEST_POINTER and _LFS.match(content):
        return "git-lfs"
    return "git-annex" if _ANNEX.match(content) else None


def is_of_system(path: str) -> bool:
    return _OF_SYSTEM.match(path) is not None


def is_annex_link(text: str) -> bool:
    """Whether a broken link is one of git-annex, whose content is in another repository."""
    return _ANNEX_LINK.search(text) is not None


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def count_links(count: int, of: str = "the data") -> str:
    """The subject and the verb: "1 link of the data leads"."""
    plural = count != 1
    return f"{count:,} link{'s' if plural else ''} of {of} lead{'' if plural else 's'}"


def pointers_text(pointers: Sequence[Pointer], folder: str) -> str:
    """A clause about pointers of one kind below a folder: "3 files ... are pointers of git LFS"."""
    names = [f"{folder}/{pointer.path}" if pointer.path else folder for pointer in pointers]
    is_one = len(names) == 1
    verb = "is a pointer" if is_one else "are pointers"
    return f"{listed(names)} {verb} of {TOOL[pointers[0].kind]}: the content is not on this machine"
