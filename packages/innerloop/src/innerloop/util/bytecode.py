"""Bytecode that another environment of the same packages has compiled already.

uv links the files of a package from its cache and compiles nothing: Python does it at the first import,
which takes 10 s for a large package. What Python compiled in one environment counts in the next
one, where the source is the same by the hash that the package's RECORD has of it, and has the time and
size that the bytecode names. Python compares these itself at each import, and the path of the source
that bytecode names is replaced as it is loaded.

Sources: PEP 376 and PEP 427 (RECORD), PEP 552 (the head of a .pyc), importlib's `SourceLoader`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from . import files, process, regular_files
from .errors import UserError

# Other environments that are looked at, newest first, and those of them that a package is taken from.
_MOST_SEEN = 100
_MOST_TAKEN = 3
_HEAD = 16
_CACHE = "__pycache__"


def adopt(environment: Path) -> int:
    """Give a new environment the bytecode of those beside it. Returns the number of files."""
    site = _packages_of(environment)
    count = 0
    if site is None:
        return count
    place = site.relative_to(environment)
    others = [other / place for other in _ready_beside(environment)]
    for info in sorted(site.glob("*.dist-info")):
        own = _sources_in(info)
        donors = [other for other in others if (other / info.name).is_dir()] if own else []
        for donor in donors[:_MOST_TAKEN]:
            theirs = _sources_in(donor / info.name)
            same = [path for path, digest in own.items() if theirs.get(path) == digest]
            with suppress(OSError, UserError):  # a full disk, or an environment that is removed now
                count += _take(same, donor, site)
    return count


def compile_all(environment: Path, python: str) -> None:
    """Compile what has no bytecode yet, on all processors.

    A package may have a file that is not for this Python: its failure is no error.
    """
    if (site := _packages_of(environment)) is not None:
        process.run([python, "-Im", "compileall", "-qq", "-j", "0", str(site)])


def _packages_of(environment: Path) -> Path | None:
    """The folder of the environment's packages."""
    found = [*environment.glob("lib/python*/site-packages"), environment / "Lib" / "site-packages"]
    return next((path for path in found if path.is_dir()), None)


def _ready_beside(environment: Path) -> list[Path]:
    """The complete environments in the same folder, newest first."""
    marks = []
    for path in environment.parent.glob("*/ready"):
        with suppress(OSError):
            marks.append((path.stat().st_mtime_ns, path.parent))
    return [path for _, path in sorted(marks, reverse=True) if path != environment][:_MOST_SEEN]


def _sources_in(info: Path) -> dict[str, str]:
    """The Python files of a package below the folder of packages, with the hash of each."""
    try:
        text = regular_files.read_bytes(info / "RECORD").decode("utf-8")
    except (OSError, UserError, UnicodeDecodeError):
        return {}
    rows = (line.split(",") for line in text.splitlines() if ".py," in line)
    return {
        row[0]: row[1]
        for row in rows
        if len(row) == 3 and row[0].endswith(".py") and row[1] and _is_below(row[0])
    }


def _is_below(path: str) -> bool:
    return not os.path.isabs(path) and ".." not in path.split("/") and "\\" not in path


def _take(sources: list[str], donor: Path, site: Path) -> int:
    """Take what the donor has of these files and the other folder lacks."""
    count = 0
    for folder, stems in _by_folder(sources).items():
        there = donor / folder / _CACHE
        try:
            names = os.listdir(there)
        except OSError:  # nothing of it was imported
            continue
        target = site / folder / _CACHE
        chosen = [
            name
            for name in names
            if name.endswith(".pyc")
            and name.partition(".")[0] in stems
            and not os.path.lexists(target / name)
            and _fits(there / name, site / folder / f"{name.partition('.')[0]}.py")
        ]
        if chosen:
            files.make_folder(target)
            files.keep_all(chosen, there, target)
            count += len(chosen)
    return count


def _by_folder(sources: list[str]) -> Mapping[str, set[str]]:
    folders: dict[str, set[str]] = {}
    for path in sources:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name[: -len(".py")])
    return folders


def _fits(compiled: Path, source: Path) -> bool:
    """Whether the bytecode is that of a source of this time and size."""
    try:
        status = os.stat(source)
        with regular_files.opened(compiled, follow=False) as file:
            head = file.read(_HEAD)
    except (OSError, UserError):
        return False
    numbers = list(_numbers(head))
    return numbers == [0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF]


def _numbers(head: bytes) -> Iterator[int]:
    """The flags, time and size in a head of bytecode: little-endian, after the interpreter's number."""
    for at in range(4, len(head) - 3, 4):
        yield int.from_bytes(head[at : at + 4], "little")
