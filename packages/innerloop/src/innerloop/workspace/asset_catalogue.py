"""The files of a workspace that describe environments, data, models and components by name.

The workspace is searched once in a process, from the root downwards, and only within limits of
number, size and time. Links are not followed. A file is parsed only if it contains the name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from ..model.asset_files import AssetFile, AssetKind, asset_of, choose, reference_of
from ..model.data_locations import Location, locate
from ..model.jobs.job import Input
from ..model.paths import is_within
from ..util import regular_files, yaml_text
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from .read_states import NOT_DATA

# What is read of one workspace: folders, entries, YAML files and the bytes of each and of all.
MOST_FOLDERS = 5_000
MOST_ENTRIES = 100_000
MOST_FILES = 1_000
LARGEST = 400_000
MOST_BYTES = 20_000_000
# The entries of one folder: more than that are data.
MOST_IN_FOLDER = 5_000
SECONDS = 5.0
# Folders without sources.
_SKIPPED = NOT_DATA | {"outputs", "logs", "mlruns", "site-packages"}
# Folders of which only the files themselves are looked at.
_SHALLOW = frozenset({"data"})
_NAMED = late_pattern(rb"""(?m)^(?:["']?name["']?[ \t]*:|[ \t]*\{)""")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The YAML files that may describe an asset: path relative to the root, and text.

    `folders` are all that were searched. `is_partial`: a limit was reached.
    """

    texts: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    is_partial: bool = False

    def named(self, name: str) -> tuple[AssetFile, ...]:
        """The assets of a name, of all kinds and versions."""
        return tuple(
            asset
            for file, text in self.texts
            if name in text and (asset := _asset(text, file)) is not None and asset.name == name
        )

    def all(self) -> tuple[AssetFile, ...]:
        """Every asset; each file is parsed."""
        assets = (_asset(text, file) for file, text in self.texts)
        return tuple(asset for asset in assets if asset is not None)


@lru_cache(maxsize=512)
def _asset(text: str, file: str) -> AssetFile | None:
    try:
        return asset_of(yaml_text.parse(text, file))
    except UserError:
        return None


@lru_cache(maxsize=16)
def of_workspace(root: str) -> Catalogue:
    """The catalogue of the workspace at an absolute path, read once in a process."""
    return read(root)


def read(root: str, clock: Callable[[], float] = time.monotonic) -> Catalogue:
    """Search a workspace, the folders next to the root first."""
    return _Search(root, clock() + SECONDS, clock).catalogue()


def find(
    root: Path, kind: AssetKind, reference: str, job_file: str, where: Position | str
) -> AssetFile | None:
    """The file that stands for a reference in a job file; see `asset_files.choose`.

    Raises `UserError` if no version fits, or if the choice is not clear.
    """
    wanted = reference_of(reference)
    if wanted is None:
        return None
    assets = of_workspace(str(root)).named(wanted.name)
    return choose((a for a in assets if a.kind == kind), reference, job_file, where)


def data_of(root: Path, job_file: str, input_: Input, where: Position | str) -> AssetFile | None:
    """The file that stands for a data input's reference. Raises as `find` does."""
    kind: AssetKind = "model" if input_.type.endswith("_model") else "data"
    return find(root, kind, input_.path or "", job_file, where)


def location_of(root: Path, job_file: str, input_: Input) -> tuple[Location, AssetFile | None]:
    """The place of a data input on this machine, and the file that names it, if one does.

    The file counts if what it names is in the workspace, or can be downloaded by anyone. Data that
    are under data/ already need no file. Never raises UserError.
    """
    usual = locate(job_file, str(input_.path), input_.type)
    if usual.is_here:
        return usual, None
    try:
        asset = data_of(root, job_file, input_, job_file)
    except UserError:  # raised where it stands in the way
        return usual, None
    wanted = reference_of(str(input_.path))
    if asset is None or wanted is None or not asset.path:
        return usual, None
    address = asset.path.rstrip("/") + wanted.inner if wanted.inner else asset.path
    location = locate(asset.file, address, input_.type)
    if location.is_here and not is_within(os.path.normpath(root / location.path), str(root)):
        return usual, None
    is_usual = os.path.exists(root / usual.path)
    if location.is_here and (os.path.exists(root / location.path) or not is_usual):
        return location, asset
    return (location, asset) if location.url and not is_usual else (usual, None)


class _Search:
    def __init__(self, root: str, end: float, clock: Callable[[], float]) -> None:
        self.root, self.end, self.clock = root, end, clock
        self.entries = self.bytes = 0
        self.folders: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.is_partial = False

    def catalogue(self) -> Catalogue:
        todo = [(self.root, False)]
        for place, is_shallow in todo:  # grows: breadth first
            if self._is_over():
                self.is_partial = True
                break
            self.folders.append(self._relative(place))
            todo += [
                (path, os.path.basename(path) in _SHALLOW)
                for path in self._look(place)
                if not is_shallow
            ]
        return Catalogue(tuple(self.texts), tuple(self.folders), self.is_partial)

    def _is_over(self) -> bool:
        return (
            len(self.folders) >= MOST_FOLDERS
            or self.entries >= MOST_ENTRIES
            or len(self.texts) >= MOST_FILES
            or self.bytes >= MOST_BYTES
            or self.clock() > self.end
        )

    def _look(self, place: str) -> list[str]:
        """The folders in a folder; its YAML files are read."""
        folders = []
        for entry in sorted(self._entries(place), key=lambda entry: entry.name):
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED and not entry.name.startswith("."):
                    folders.append(entry.path)
            elif entry.name.endswith((".yml", ".yaml")) and not self._is_over():
                self._read(entry.path)
        return folders

    def _entries(self, place: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(place) as entries:
                for count, entry in enumerate(entries):
                    if count >= MOST_IN_FOLDER:
                        self.is_partial = True
                        return
                    self.entries += 1
                    yield entry
        except OSError:
            return

    def _read(self, path: str) -> None:
        try:
            content = regular_files.read_bytes(path, LARGEST, follow=False)
        except (OSError, UserError):
            return
        self.bytes += len(content)
        if _NAMED.search(content.removeprefix(b"\xef\xbb\xbf")):
            try:
                self.texts.append((self._relative(path), content.decode("utf-8-sig")))
            except UnicodeDecodeError:
                return

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.root).replace(os.sep, "/")
