"""What a run gets from outside of its code: the packages of its environment, and its data.

Both are recorded, so that two runs can be compared later.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..model.environment import ResolvedEnvironment
from ..model.environment_lock import EnvironmentLock
from ..util import regular_files
from ..util.errors import UserError
from ..util.late_patterns import late_pattern

PACKAGES = ".run/packages.txt"
# Data of more files, or that takes longer to look at (in seconds), is recorded without its size.
MOST_FILES, LONGEST = 50_000, 2.0
_PIN = late_pattern(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;\\#]+)", re.MULTILINE)
# A package of uv.lock and pylock.toml, and the file of a package of conda in pixi.lock.
_TABLE = late_pattern(
    r'^\[\[packages?\]\]\nname = "([^"\n]+)"\nversion = "([^"\n]+)"', re.MULTILINE
)
_CONDA = late_pattern(
    r"^- conda: \S*/([A-Za-z0-9_.-]+)-([^-/\s]+)-[^-/\s]+\.(?:conda|tar\.bz2)$", re.MULTILINE
)
_OTHER_FILE = late_pattern(r"^-r\s*(\S+)", re.MULTILINE)


def packages_of(root: Path, environment: ResolvedEnvironment) -> dict[str, str]:
    """The versions of the packages that the environment pins, by name; empty where none is known."""
    if environment.conda is not None:
        return pinned("\n".join(str(line) for line in environment.conda.requirements))
    if environment.lock is not None:
        return of_lock(environment.lock)
    path = environment.requirements or (
        f"{environment.folder}/requirements.txt" if environment.folder else ""
    )
    return _of_file(root / path, 3) if path else {}


def of_lock(lock: EnvironmentLock) -> dict[str, str]:
    """The packages in a lock of pip, Poetry, uv, pixi or in a pylock: all that it may install."""
    if found := pinned(lock.requirements):
        return found
    for _, text in lock.files:
        found |= {_canonical(name): version for name, version in _TABLE.findall(text)}
        found |= {_canonical(name): version for name, version in _CONDA.findall(text)}
    return found


def _of_file(path: Path, depth: int) -> dict[str, str]:
    try:
        text = regular_files.read_bytes(path).decode("utf-8", "replace")
    except (OSError, UserError):
        return {}
    found = pinned(text)
    for name in _OTHER_FILE.findall(text) if depth else ():
        found = {**_of_file(path.parent / name, depth - 1), **found}
    return found


def pinned(text: str) -> dict[str, str]:
    """The pins in a requirements file, `name==version` each."""
    return {_canonical(name): version for name, version in _PIN.findall(text)}


def _canonical(name: str) -> str:
    """The name in the form in which two spellings are equal. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(packages: Mapping[str, str]) -> str:
    return "".join(f"{name}=={packages[name]}\n" for name in sorted(packages))


def data_of(data: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The state of each data input, `data` being their paths: number of files, bytes, last change.

    Of a path that is not there or has too many files, the path alone.
    """
    until = time.monotonic() + LONGEST
    return {name: {"path": path, **_state(path, until)} for name, path in data.items()}


def _state(path: str, until: float) -> dict[str, Any]:
    files = size = 0
    newest = 0.0
    for entry in _walk(path):
        files += 1
        if files > MOST_FILES or time.monotonic() > until:
            return {}
        size += entry.st_size
        newest = max(newest, entry.st_mtime)
    if not files:
        return {}
    changed = datetime.fromtimestamp(int(newest), timezone.utc).isoformat()
    return {"files": files, "bytes": size, "newest": changed}


def _walk(path: str) -> Any:
    if not os.path.isdir(path):
        with suppress(OSError):
            yield os.stat(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                yield os.stat(os.path.join(folder, name))
