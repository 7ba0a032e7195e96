"""Reads what a folder of code or data holds besides ordinary files.

The time is limited: a folder of a million images takes as long as its first entries. Nothing is
opened but small regular files that may be pointers, and some of each kind only.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ..model.folder_contents import (
    LARGEST_POINTER,
    FolderContents,
    FolderLink,
    LinkState,
    Pointer,
    PointerKind,
    SpecialFile,
    is_annex_link,
    is_of_system,
    pointer_of,
)
from ..util import regular_files
from ..util.errors import UserError
from .read_states import NOT_DATA

# Entries that are read of one folder, with all that its links lead to.
MOST_ENTRIES = 100_000
# Resolving a link takes as long as this many entries.
_COST_OF_A_LINK = 4
# Small files that are opened of one folder with one ending, and in all.
MOST_OPENED_ALIKE = 50
MOST_OPENED = 4_000
# The shortest pointer: "version", "oid" and "size" with their values.
_SHORTEST_POINTER = 16
_TOO_WIDE_DEPTH = 2

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@lru_cache(maxsize=256)
def read(path: Path, skipped: frozenset[str] = NOT_DATA) -> FolderContents:
    """What is in a folder, or a file alone; empty for a path that does not exist.

    It is read once in a process. Links are followed, once each, to folders that are no parents of
    the folder itself.
    """
    try:
        folder = os.path.realpath(path)
    except (OSError, ValueError):  # a circle of links; no path at all
        return FolderContents(str(path))
    return _ContentsReader(folder, skipped).read()


class _ContentsReader:
    def __init__(self, folder: str, skipped: frozenset[str]) -> None:
        self.folder = folder
        self.skipped = skipped
        self.links: list[FolderLink] = []
        self.pointers: list[Pointer] = []
        self.specials: list[SpecialFile] = []
        self.unreadable: list[str] = []
        self.names: list[str] = []
        self.entries = 0
        self.opened: Counter[tuple[str, str]] = Counter()
        self.total_opened = 0

    def read(self) -> FolderContents:
        try:
            status = os.stat(self.folder)
        except (OSError, ValueError):
            return FolderContents(self.folder)
        if stat.S_ISDIR(status.st_mode):
            self._walk()
        elif not stat.S_ISREG(status.st_mode):
            self._special("", status.st_mode)
        elif (kind := self._kind(self.folder, "", "", status)) is not None:
            self.pointers.append(Pointer("", kind))
        return FolderContents(
            self.folder,
            tuple(self.links),
            tuple(self.pointers),
            tuple(self.specials),
            tuple(self.unreadable),
            tuple(self.names),
            self.entries >= MOST_ENTRIES,
        )

    def _walk(self) -> None:
        """Each folder once: those below, then those that links lead to."""
        todo, seen = [(self.folder, "")], {self.folder}
        later: list[tuple[str, str]] = []
        while todo or later:
            place, prefix = todo.pop() if todo else later.pop(0)
            for link in self._list(place, prefix, todo):
                self.links.append(link)
                if not link.is_folder or link.state != "outside" or link.target in seen:
                    continue
                seen.add(link.target)
                if not self._is_too_wide(link.target):
                    later.append((link.target, f"{link.path}/"))
            if self.entries >= MOST_ENTRIES:
                return

    def _list(self, place: str, prefix: str, todo: list[tuple[str, str]]) -> Iterator[FolderLink]:
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            self.unreadable.append(prefix.rstrip("/"))
            return
        names = {entry.name for entry in entries}
        for entry in entries:
            self.entries += 1
            if self.entries > MOST_ENTRIES:
                return
            path = prefix + entry.name
            self.names.append(path)
            if entry.is_symlink():
                with suppress(FileNotFoundError):  # it has just been removed
                    yield self._link(entry, path, place)
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in self.skipped:
                    todo.append((entry.path, f"{path}/"))
            else:
                self._file(entry, path, place, names)

    def _link(self, entry: os.DirEntry[str], path: str, place: str) -> FolderLink:
        self.entries += _COST_OF_A_LINK
        text = os.readlink(entry.path)
        target = os.path.realpath(entry.path)
        state: LinkState
        try:
            status = os.stat(entry.path)
        except (OSError, ValueError):
            if is_annex_link(text):
                self.pointers.append(Pointer(path, "git-annex"))
            return FolderLink(path, entry.path, text, "", "broken")
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not stat.S_ISREG(status.st_mode):
            self._special(path, status.st_mode)
        if is_folder and (place == target or place.startswith(target.rstrip(os.sep) + os.sep)):
            state = "circular"
        elif target == self.folder or target.startswith(self.folder.rstrip(os.sep) + os.sep):
            state = "inside"
        else:
            state = "outside"
            kind = None if is_folder else self._kind(target, place, path, status)
            if kind is not None:
                self.pointers.append(Pointer(path, kind))
        return FolderLink(path, entry.path, text, target, state, is_folder)

    def _file(self, entry: os.DirEntry[str], path: str, place: str, names: set[str]) -> None:
        name = entry.name
        if name.endswith(".dvc") and len(name) > 4 and name[:-4] not in names:
            self.pointers.append(Pointer(path, "dvc"))
            return
        if entry.is_file(follow_symlinks=False):
            if self._may_open(place, name):
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    return
                if (kind := self._kind(entry.path, place, name, status)) is not None:
                    self.pointers.append(Pointer(path, kind))
            return
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            return
        self._special(path, mode)

    def _special(self, path: str, mode: int) -> None:
        kind = next((words for is_kind, words in _SPECIAL if is_kind(mode)), "")
        if kind:
            self.specials.append(SpecialFile(path, kind))

    def _may_open(self, place: str, name: str) -> bool:
        alike = self.opened[place, os.path.splitext(name)[1]]
        return alike < MOST_OPENED_ALIKE and self.total_opened < MOST_OPENED

    def _kind(self, path: str, place: str, name: str, status: os.stat_result) -> PointerKind | None:
        if not _SHORTEST_POINTER <= status.st_size < LARGEST_POINTER:
            return None
        if not self._may_open(place, name):
            return None
        self.opened[place, os.path.splitext(name)[1]] += 1
        self.total_opened += 1
        try:
            return pointer_of(regular_files.read_bytes(path, LARGEST_POINTER, is_read=False))
        except (OSError, UserError):
            return None

    def _is_too_wide(self, target: str) -> bool:
        """Whether a folder contains the one that is read, or is most of a disk."""
        if self.folder.startswith(target.rstrip(os.sep) + os.sep):
            return True
        return len(Path(target).parts) <= _TOO_WIDE_DEPTH or is_of_system(target)
