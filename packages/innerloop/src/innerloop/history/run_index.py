"""What was read of many runs, kept in the user's cache, so that only changed runs are read again.

Reading a run takes 0.2 ms, ten thousand of them seconds. An entry holds for as long as each file below the
run's folder that a run is read from has the same size, times and number. A run that has not ended, one
that has just changed, and one of very many files are always read. The index can be thrown away, and
there is none for few runs.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

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
_MOST_THREADS = 8
_HERE = Path(__file__).resolve().parent

State = tuple[tuple[Any, ...], ...]


def read_all(
    root: Path,
    slugs: Sequence[str],
    read: Callable[[Path, str, Path], T],
    is_final: Callable[[T], bool],
) -> list[T]:
    """`read(root, slug, folder)` of each run, step and trial of the experiments.

    `is_final`: a run whose value depends on its files alone.
    """
    found = list(_runs_of(root, slugs))
    path = file_of(root, "runs", ".pickle")
    entries: dict[str, tuple[State, T]] = _load(path, root) if len(found) > FEW else {}
    settled = time.time_ns() - SETTLED_NS
    runs: list[T] = []
    added = 0
    for slug, folder, state in found:
        entry = entries.get(folder)
        if entry is not None and entry[0] == state:
            runs.append(entry[1])
            continue
        run = read(root, slug, Path(folder))
        runs.append(run)
        if state and is_final(run) and all(max(row[-2:]) < settled for row in state):
            entries[folder] = state, run
            added += 1
    if added > FEW:
        there = {folder for _, folder, _ in found}
        kept = (folder for folder in entries if folder in there or os.path.isdir(folder))
        _store(path, root, {folder: entries[folder] for folder in kept})
    return runs


def _load(path: Path, root: Path) -> dict[str, tuple[State, Any]]:
    try:
        version, of_root, entries = pickle.loads(path.read_bytes())
    except Exception:  # whatever is wrong with it: it is made anew
        return {}
    is_ours = isinstance(entries, dict) and (version, of_root) == (_version(), str(root))
    return entries if is_ours else {}


def _store(path: Path, root: Path, entries: dict[str, tuple[State, Any]]) -> None:
    try:
        content = pickle.dumps((_version(), str(root), entries), pickle.HIGHEST_PROTOCOL)
        files.write_stream(path, [content])
    except (UserError, pickle.PicklingError, TypeError, RecursionError):
        pass  # the next call reads the runs again


def _version() -> tuple[Any, ...]:
    """The tool, and its modules that read runs: what they read may have another form."""
    stamps = sorted((one.name, one.stat().st_mtime_ns) for one in os.scandir(_HERE))
    return __version__, *(stamp for stamp in stamps if stamp[0].endswith(".py"))


def _runs_of(root: Path, slugs: Sequence[str]) -> Iterator[tuple[str, str, State]]:
    """(experiment, folder, state) of the runs of each experiment, then of its steps and trials.

    The state is empty for a run that is not kept.
    """
    runs = {slug: _folders(os.path.join(root, "outputs", slug)) for slug in slugs}
    states = dict(_states([run for folders in runs.values() for run in folders]))
    for slug, folders in runs.items():
        inner: list[str] = []
        for run in folders:
            state, subfolders = states[run]
            yield slug, run, state
            there = (below for below in subfolders if os.path.isfile(os.path.join(below, RECORD)))
            inner.extend(there)
        for below in inner:
            yield slug, below, _state(below)[0]


def _states(folders: Sequence[str]) -> Iterator[tuple[str, tuple[State, list[str]]]]:
    """The state of each folder; of many in several threads, since the system is what takes time."""
    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(folders) // FEW)
    if threads < 2:
        yield from ((folder, _state(folder)) for folder in folders)
        return
    from concurrent.futures import ThreadPoolExecutor  # here: most workspaces have few runs

    with ThreadPoolExecutor(threads) as pool:
        parts = [folders[at::threads] for at in range(threads)]
        for part, states in zip(parts, pool.map(_states_in_turn, parts), strict=True):
            yield from zip(part, states, strict=True)


def _states_in_turn(folders: Sequence[str]) -> list[tuple[State, list[str]]]:
    return [_state(folder) for folder in folders]


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


def _state(folder: str) -> tuple[State, list[str]]:
    """A row for each file below a run's folder, and the folders directly in it, sorted."""
    rows: list[tuple[Any, ...]] = []
    subfolders: list[str] = []
    is_kept = True
    todo = [folder]
    while todo and is_kept:
        current = todo.pop()
        try:
            entries = list(os.scandir(current))
        except OSError:
            is_kept = False
            entries = []
        for entry in entries:
            if _is_folder(entry):
                is_kept = is_kept and not entry.is_symlink()
                todo.append(entry.path)
                if current == folder and entry.name != FOLDER:
                    subfolders.append(entry.path)
            elif entry.name.endswith((".json", ".jsonl")) or not current.endswith(FOLDER):
                try:
                    status = os.stat(entry.path)
                except OSError:
                    is_kept = False
                    continue
                rows.append(
                    (
                        entry.path,
                        status.st_size,
                        status.st_ino,
                        status.st_ctime_ns,
                        status.st_mtime_ns,
                    )
                )
        is_kept = is_kept and len(rows) + len(todo) <= _MOST_FILES
    return (tuple(rows) if is_kept else ()), sorted(subfolders)
