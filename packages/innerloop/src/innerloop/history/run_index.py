"""What was read of many runs, kept in the user's cache, so that only changed runs are read again.

Reading a run takes 0.2 ms, ten thousand of them seconds. An entry holds for as long as each folder below
the run's, and each file there that a run is read from, has the same size, times and number: a folder's
time changes with the names in it. A run that has not ended, one that has just changed, and one of very
many files are always read. The index can be thrown away, and few runs have none.
"""

from __future__ import annotations

import gc
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from .. import __version__
from ..util import files
from ..util.cache_folder import SETTLED_NS, file_of
from ..util.errors import UserError
from .recorder import FOLDER, RECORD

T = TypeVar("T")
# So many runs that the index lacks are read faster than the index is written.
FEW = 200
# A run with more files and folders is read each time.
_MOST_FILES = 300
_HERE = Path(__file__).resolve().parent

# Names of files, their numbers, the folders in it that are runs, and the run.
Entry = tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...], Any]


def read_all(
    root: Path,
    slugs: Sequence[str],
    read: Callable[[Path, str, Path], T],
    is_final: Callable[[T], bool],
    kept: Callable[[T], T],
) -> list[T]:
    """`read(root, slug, folder)` of each run, step and trial of the experiments.

    `is_final`: a run whose value depends on its files alone. `kept` is a run as it is kept.
    """
    runs = {slug: _folders(os.path.join(root, "outputs", slug)) for slug in slugs}
    found: list[T] = []
    with _without_collection():
        index = _Index(root, read, is_final, kept, sum(map(len, runs.values())))
        for slug, folders in runs.items():
            parts = [(folder, index.add(slug, folder, found)) for folder in folders]
            for folder, names in parts:
                for name in names:
                    index.add(slug, os.path.join(folder, name), found)
        index.store()
    return found


class _Index(Generic[T]):
    """Reads the runs that it lacks."""

    def __init__(
        self,
        root: Path,
        read: Callable[[Path, str, Path], T],
        is_final: Callable[[T], bool],
        kept: Callable[[T], T],
        count: int,
    ) -> None:
        self._root = root
        self._read = read
        self._is_final = is_final
        self._kept = kept
        self._path = file_of(root, "runs", ".pickle")
        self._entries: dict[str, Entry] = _load(self._path, root) if count > FEW else {}
        self._seen: set[str] = set()
        self._settled = time.time_ns() - SETTLED_NS
        # The same names of files, once for all runs: most have the same ones.
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._added = 0

    def add(self, slug: str, folder: str, runs: list[T]) -> Sequence[str]:
        """Append the run in a folder. Returns the names of the folders in it that are runs as well."""
        self._seen.add(folder)
        entry = self._entries.get(folder)
        if entry is not None and _numbers(folder, entry[0]) == entry[1]:
            runs.append(entry[3])
            return entry[2]
        names, parts = _names_of(folder)
        numbers = _numbers(folder, names)
        run = self._read(self._root, slug, Path(folder))
        runs.append(run)
        # The last two numbers of each four are times.
        latest = max((*numbers[2::4], *numbers[3::4]), default=self._settled)
        if latest < self._settled and self._is_final(run):
            names = self._names.setdefault(names, names)
            self._entries[folder] = names, numbers, tuple(parts), self._kept(run)
            self._added += 1
        return parts

    def store(self) -> None:
        """Write the index, if that is worth it. Runs that are gone leave it."""
        if self._added <= FEW:
            return
        kept = (at for at in self._entries if at in self._seen or os.path.isdir(at))
        _store(self._path, self._root, {at: self._entries[at] for at in kept})


@contextmanager
def _without_collection() -> Iterator[None]:
    """Within, no garbage is looked for: of very many new values, none is."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _load(path: Path, root: Path) -> dict[str, Entry]:
    try:
        version, of_root, entries = pickle.loads(path.read_bytes())
    except Exception:  # whatever is wrong with it: it is made anew
        return {}
    is_ours = isinstance(entries, dict) and (version, of_root) == (_version(), str(root))
    return entries if is_ours else {}


def _store(path: Path, root: Path, entries: dict[str, Entry]) -> None:
    try:
        content = pickle.dumps((_version(), str(root), entries), pickle.HIGHEST_PROTOCOL)
        files.write_stream(path, [content])
    except (UserError, pickle.PicklingError, TypeError, RecursionError):
        pass  # the next call reads the runs again


def _version() -> tuple[Any, ...]:
    """The tool, and its modules that read runs: what they read may have another form."""
    stamps = sorted((one.name, one.stat().st_mtime_ns) for one in os.scandir(_HERE))
    return __version__, *(stamp for stamp in stamps if stamp[0].endswith(".py"))


def _folders(folder: str) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder) if _is_folder(entry))
    except OSError:  # there is none, or this user cannot read it
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a cycle of links
        return False


def _numbers(folder: str, names: Sequence[str]) -> tuple[int, ...]:
    """Size, number and both times of each file and folder; empty where one is gone."""
    numbers: list[int] = []
    try:
        for name in names:
            status = os.stat(folder + name)
            numbers += status.st_size, status.st_ino, status.st_ctime_ns, status.st_mtime_ns
    except OSError:
        return ()
    return tuple(numbers)


def _names_of(folder: str) -> tuple[tuple[str, ...], list[str]]:
    """What says whether a run has changed, and the names of the folders in it that are runs.

    That is each folder below it, whose time changes with the names in it, and each file from which a
    run is read: as `/NAME`, "" for the run's folder itself. It is empty for a run that is not kept.
    """
    names = [""]
    subfolders: list[str] = []
    is_kept = True
    todo = [""]
    while todo and is_kept:
        current = todo.pop()
        try:
            entries = list(os.scandir(folder + current))
        except OSError:
            is_kept = False
            entries = []
        for entry in entries:
            name = f"{current}/{entry.name}"
            if _is_folder(entry):
                is_kept = is_kept and not entry.is_symlink()
                todo.append(name)
                names.append(name)
                if not current and entry.name != FOLDER:
                    subfolders.append(entry.name)
            elif entry.name.endswith((".json", ".jsonl")) or not current.endswith(FOLDER):
                names.append(name)
        is_kept = is_kept and len(names) <= _MOST_FILES
    parts = [one for one in subfolders if os.path.isfile(os.path.join(folder, one, RECORD))]
    return (tuple(names) if is_kept else ()), sorted(parts)
