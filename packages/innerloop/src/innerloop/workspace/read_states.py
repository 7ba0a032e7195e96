"""What a command may have read of a workspace, as values to compare: the key of a cached result.

Two results are the same while these are: all files and links below src/, the paths elsewhere that the
command consulted with the folders that lead to them, and the tool itself.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..model.source_names import SETTINGS_FILE, SOURCES
from ..util import regular_files

PACKAGE = Path(__file__).resolve().parent.parent
# Folders below src/ that hold neither code nor specification.
NOT_READ = frozenset(
    {"outputs", "logs", "__pycache__", ".git", ".ipynb_checkpoints", ".venv", "node_modules"}
)
# Folders in data that are neither code nor data.
NOT_DATA = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".venv", "node_modules"})
# A row of a file: how long it is, and where it has the mode and the size. The name comes first.
OF_A_FILE, MODE, SIZE = 7, 1, 3
# Files and folders beyond which there is no cache.
MOST_ROWS = 30_000
# A script is looked at up to this size, in bytes. Smaller files than the second number may be pointers,
# which begin as the texts say (`model/folder_contents`), or links of one line (`text_links`).
LARGEST_SCRIPT = 1_000_000
_SMALL = 1024
# From each of these sizes on a file is looked at in another way: as the shortest pointer, as no link, as
# no pointer, as no script. Of small files some are opened and others are not: each one counts.
_BOUNDS = (16, 500, _SMALL, LARGEST_SCRIPT + 1)
_POINTERS = (b"version ", b"/annex/")

Row = list[Any]


class Unknown(Exception):
    """It cannot be known what a result depends on."""


def sources(root: Path, *, with_unread: bool = False) -> list[Row]:
    """A row for each file of the tool and below src/, and for pyproject.toml.

    `with_unread`: one for each folder that is not read as well. Raises Unknown for links that lead out
    of src/, for experiments that may be declared with files elsewhere, and for so many files that
    looking at them takes longer than a command.
    """
    if os.path.lexists(root / SETTINGS_FILE) or regular_files.may_contain(
        root / "pyproject.toml", b"experiments"
    ):
        raise Unknown
    return [
        *_of_tool(),
        ["pyproject.toml", *state(root / "pyproject.toml")],
        *below(root, SOURCES, with_unread=with_unread),
    ]


def below(
    root: Path, folder: str, *, unread: Collection[str] = NOT_READ, with_unread: bool = False
) -> list[Row]:
    """A row for each folder, file and link below a folder, sorted. Raises Unknown as `sources`."""
    top = str(root / folder)
    rows = list(islice(_tree(str(root), top, unread, with_unread), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise Unknown
    return rows


def in_folder(root: Path, path: str) -> list[Row]:
    """The rows of a folder with data; none for a file. Raises Unknown as `sources`."""
    return below(root, path, unread=NOT_DATA, with_unread=True) if (root / path).is_dir() else []


def digests_of_folders(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """The digest of each folder's rows. Raises Unknown as `sources`."""
    return {path: digest(in_folder(root, path)) for path in folders}


def digest(value: Any) -> str:
    """Of a value that JSON can hold."""
    from ..util.digests import digest_of  # here: most answers depend on rows themselves

    return digest_of(json.dumps(value).encode("utf-8", "surrogateescape"))


def consulted(root: Path) -> tuple[set[str], set[str]] | None:
    """The paths outside of src/ that this process read, and those of which it saw what is there.

    None where git wrote links as text files: its index is read, too.
    """
    from . import asset_catalogue, text_links
    from .loader import WorkspaceFiles, is_in_src

    if text_links.may_be(root):
        return None
    read = {*WorkspaceFiles.consulted, *text_links.settings_files(root)}
    if asset_catalogue.of_workspace.cache_info().currsize:
        catalogue = asset_catalogue.of_workspace(os.path.normpath(root))
        files = (file for file, _ in catalogue.texts)
        read.update(path for path in (*catalogue.folders, *files) if not is_in_src(path))
    seen = {*WorkspaceFiles.places, *_marks_of_git(root)}
    return read, seen | {above for one in (*read, *seen) for above in _above(one)}


def newest_change(
    root: Path, rows: Iterable[Row], read: Mapping[str, Row], seen: Iterable[str]
) -> int:
    """The time of the last change of any of it, in nanoseconds."""
    changes = [0, *(row[-2] for row in rows if len(row) > 2)]
    changes += [max(_times(one), default=0) for one in read.values()]
    changes += [_last_change(root / place) for place in seen if _is_inside(place)]
    return int(max(changes))


def states(root: Path, paths: Iterable[str]) -> dict[str, Row]:
    return {path: state(root / path) for path in paths}


def state(path: Path) -> Row:
    """What a path leads to: empty for nothing. A link has its own state before that of its target."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return []
    if not stat.S_ISLNK(status.st_mode):
        return _of_status(status)
    try:
        return [os.readlink(path), *_of_status(status), *_of_status(os.stat(path))]
    except OSError:  # a broken one
        return [os.readlink(path), *_of_status(status)]


def glimpse(path: Path) -> Row:
    """What the rules on the content of a folder see of a file without reading its text.

    All of what may be a pointer or a link, the first line of others, how large it is about, and what this
    user may do with it, which a group or an access list decides as well as its mode. OSError as `open`
    does.
    """
    with regular_files.opened(path, is_read=False) as file:
        start = file.read(_SMALL)
        size = os.fstat(file.fileno()).st_size
        line, end, rest = start.partition(b"\n")
        whole = start + file.read(LARGEST_SCRIPT) if not end and len(start) == _SMALL else b""
    seen = [
        sum(size >= bound for bound in _BOUNDS),
        os.access(path, os.W_OK),
        os.access(path, os.X_OK),
    ]
    if whole:
        return [*seen, "whole", size, zlib.crc32(whole)]
    if line.startswith(_POINTERS):
        return [*seen, "pointer", min(size, _SMALL), zlib.crc32(start)]
    is_line = len(start) < _SMALL and not rest.strip()
    return [*seen, "line" if is_line else "text", zlib.crc32(line)]


def places(root: Path, paths: Iterable[str]) -> dict[str, Row]:
    """What is at each path, whatever it contains: the mode and number, and the text of a link."""
    return {path: _place(root / path) for path in paths}


def _of_tool() -> Iterator[Row]:
    """The tool's files where it runs from its repository; an installed version does not change."""
    if not (PACKAGE.parent.parent / "tests").is_dir():
        return
    todo = [str(PACKAGE)]
    while todo:
        for entry in os.scandir(todo.pop()):
            if not entry.is_dir():
                yield [entry.path, entry.stat().st_mtime_ns]
            elif entry.name != "__pycache__":
                todo.append(entry.path)


def _tree(root: str, folder: str, unread: Collection[str], with_unread: bool) -> Iterator[Row]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = entry.path[len(root) + 1 :]
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(os.path.join(root, SOURCES) + os.sep):
                raise Unknown
            yield [name, os.readlink(entry.path), *state(Path(entry.path))]
        elif not entry.is_dir():
            yield [name, *_of_status(entry.stat())]
        elif entry.name not in unread:
            yield [name]
            yield from _tree(root, entry.path, unread, with_unread)
        elif with_unread:
            yield [name]


def _of_status(status: os.stat_result) -> list[int]:
    owner, times = status.st_uid, (status.st_mtime_ns, status.st_ctime_ns)
    return [status.st_mode, owner, status.st_size, *times, status.st_ino]


def _place(path: Path) -> Row:
    try:
        status = os.lstat(path)
        is_link = stat.S_ISLNK(status.st_mode)
        return [status.st_mode, status.st_ino, os.readlink(path) if is_link else ""]
    except (OSError, ValueError):
        return []


def _above(path: str) -> Iterator[str]:
    """The root and the folders between it and a path relative to it."""
    parts = path.split("/")[:-1] if _is_inside(path) else []
    yield from ("/".join(parts[:count]) for count in range(len(parts) + 1))


def _is_inside(path: str) -> bool:
    return not os.path.isabs(path)


def _marks_of_git(root: Path) -> set[str]:
    """Where git would say that the workspace is in a repository: up to the first `.git`."""
    marks = set()
    for folder in (root, *root.parents):
        marks.add(str(folder / ".git"))
        if os.path.lexists(folder / ".git"):
            break
    return marks


def _times(state: Sequence[Any]) -> list[int]:
    """The times of the changes in a state, of the content and of the entry itself."""
    numbers = state[1:] if state and isinstance(state[0], str) else state
    return [time for at in range(0, len(numbers), 6) for time in numbers[at + 3 : at + 5]]


def _last_change(path: Path) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        return 0
    return max(status.st_mtime_ns, status.st_ctime_ns)
