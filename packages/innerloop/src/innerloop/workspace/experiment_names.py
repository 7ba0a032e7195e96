"""The names of the experiments, as fast as a key press needs them.

Reading the workspace takes a tenth of a second of imports. The names depend on the folders that hold
experiments alone, so they are kept in the user's cache with the time of each such folder's last
change. They are read anew after a change, and at each call where something else decides: settings that
declare experiments, links, and links that git wrote as text files.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..model.source_names import DOCKERFILE, ENVIRONMENT, SETTINGS_FILE, SOURCES
from ..util import regular_files
from ..util.cache_folder import cache_folder
from ..util.errors import UserError

# Two changes of a folder within a clock tick of the file system look like one.
_SETTLED_NS = 100_000_000
# More folders take longer to look at than the workspace to read.
_MOST = 20_000


class _Undecided(Exception):
    """It cannot be known what the names depend on."""


def names(root: Path) -> Sequence[str]:
    """The names of the experiments, sorted. UserError as `loader.open_workspace` raises it."""
    path = cache_folder() / "names" / f"{zlib.crc32(os.fsencode(root)):08x}.json"
    try:
        entry = json.loads(path.read_bytes())
        if entry["root"] == str(root) and _is_plain(root) and _is_unchanged(entry["folders"]):
            return [str(name) for name in entry["names"]]
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return _read(root, path)


def _is_plain(root: Path) -> bool:
    """Whether no settings declare experiments."""
    if os.path.lexists(root / SETTINGS_FILE):
        return False
    try:
        return b"experiments" not in regular_files.read_bytes(root / "pyproject.toml")
    except FileNotFoundError:
        return True
    except UserError:  # no regular file: the loader says what is wrong with it
        return False


def _is_unchanged(folders: dict[str, list[int]]) -> bool:
    return all(_state(os.stat(folder)) == state for folder, state in folders.items())


def _state(status: os.stat_result) -> list[int]:
    return [status.st_mtime_ns, status.st_ino]


def _read(root: Path, path: Path) -> Sequence[str]:
    from . import loader, text_links

    began = time.time_ns()
    try:
        folders = dict(_folders(str(root / SOURCES))) if _is_plain(root) else None
    except (_Undecided, OSError):
        folders = None
    found = loader.open_workspace(root).experiments
    if folders is None or len(folders) > _MOST or text_links.may_be(root):
        return found
    is_settled = all(state[0] < began - _SETTLED_NS for state in folders.values())
    if is_settled:
        from ..util import files

        try:
            entry = {"root": str(root), "folders": folders, "names": list(found)}
            files.write_text(path, json.dumps(entry))
        except UserError:
            pass  # the next call reads the workspace again
    return found


def _folders(folder: str, depth: int = 0) -> Iterator[tuple[str, list[int]]]:
    """The folders whose entries decide which experiments there are."""
    yield folder, _state(os.stat(folder))
    for entry in os.scandir(folder):
        if not depth and entry.name == "common":
            continue
        if entry.is_symlink() and entry.is_dir():
            raise _Undecided
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        environment = os.path.join(entry.path, ENVIRONMENT)
        if os.path.islink(environment) or os.path.islink(os.path.join(environment, DOCKERFILE)):
            raise _Undecided
        if os.path.isfile(os.path.join(environment, DOCKERFILE)):
            yield entry.path, _state(entry.stat())
            yield environment, _state(os.stat(environment))
        else:
            if os.path.isdir(environment):
                yield environment, _state(os.stat(environment))
            yield from _folders(entry.path, depth + 1)
