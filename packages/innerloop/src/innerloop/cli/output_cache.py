"""Cached output of commands that only read the workspace, and of a sync that has nothing to do.

The commands are `loop list`, `loop check` and `loop sync` without arguments. With the cache they are
nearly as fast as `loop --version`, which matters in hooks and tasks.

An entry is valid while everything that the command may read is unchanged: the tool, pyproject.toml,
innerloop.toml, all files and links below src/, the paths elsewhere that the command consulted with
the folders that lead to them (a sync: all generated files), git's settings about links, the
variables, and the terminal. Otherwise the command runs, and its output becomes the new entry. A sync
that changes something leaves none.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from .. import __version__
from ..model.source_names import SETTINGS_FILE, SOURCES
from ..util import regular_files
from ..util.cache_folder import SETTLED_NS, file_of
from ..util.errors import UserError
from ..util.printable import printable_streams, raw

PACKAGE = Path(__file__).resolve().parent.parent
# Folders below src/ that no command of `CACHED_COMMANDS` reads.
_IGNORED = {"outputs", "logs", "__pycache__", ".git", ".ipynb_checkpoints", ".venv", "node_modules"}
# Variables that decide how something is printed, and where git's settings are.
_VARIABLES = {"NO_COLOR", "COLUMNS", "TERM", "HOME", "XDG_CONFIG_HOME"}
# Files and folders beyond which there is no cache.
_MOST_ROWS = 30_000


class _Unknown(Exception):
    """It cannot be known what the output depends on."""


def replay_or_run(root: Path, words: Sequence[str], run: Callable[[], int]) -> int:
    """Print the cached output and return its exit code; without a valid entry, call `run`."""
    try:
        key = _key(root, words)
    except (_Unknown, OSError):
        return run()
    path = file_of(root, "output", f"-{words[0]}.json")
    try:
        entry = json.loads(path.read_bytes())
        if (
            entry["key"] == key
            and entry["elsewhere"] == _states(root, entry["elsewhere"])
            and entry["places"] == _places(root, entry["places"])
        ):
            raw(sys.stdout).write(entry["output"])
            return int(entry["exit_code"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    started = time.time_ns()
    before = sys.stdout, sys.stderr
    out, err = _Tee(raw(sys.stdout)), _Tee(raw(sys.stderr))
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        with printable_streams():
            code = run()
    finally:
        sys.stdout, sys.stderr = before
    if not err.parts:
        _store(path, root, words, key, "".join(out.parts), code, started)
    return code


def _store(
    path: Path,
    root: Path,
    words: Sequence[str],
    key: list[Any],
    output: str,
    code: int,
    started: int,
) -> None:
    """Write an entry, unless a file changes while the command runs, or shortly before."""
    from ..util import files
    from ..workspace import text_links
    from ..workspace.loader import WorkspaceFiles

    # Where git wrote links as text files, its index is read, too.
    if WorkspaceFiles.searched or text_links.may_be(root):
        return
    settings = text_links.settings_files(root)
    elsewhere = {*WorkspaceFiles.consulted, *settings}
    places = {*WorkspaceFiles.places, *_marks_of_git(root)}
    places |= {above for one in (*elsewhere, *places) for above in _above(one)}
    try:
        if _key(root, words) != key:
            return
        states = _states(root, sorted(elsewhere))
        changes = [*_changes(key), *(max(_times(state), default=0) for state in states.values())]
        changes += [_last_change(root / place) for place in places if _is_inside(place)]
        if max(changes) > started - SETTLED_NS:
            return
        entry = {
            "key": key,
            "elsewhere": states,
            "places": _places(root, sorted(places)),
            "output": output,
            "exit_code": code,
        }
        files.write_text(path, json.dumps(entry))
    except (_Unknown, OSError, UserError):
        pass  # the next call runs the command again


class _Tee:
    """A stream that keeps what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        self.parts.append(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _key(root: Path, words: Sequence[str]) -> list[Any]:
    """Everything that decides the output, except for the paths elsewhere.

    Raises _Unknown for links that lead out of src/, for experiments that may be declared with files
    elsewhere, and for so many files that looking at them takes longer than the command.
    """
    if os.path.lexists(root / SETTINGS_FILE) or regular_files.may_contain(
        root / "pyproject.toml", b"experiments"
    ):
        raise _Unknown
    variables = sorted(
        [name, value]
        for name, value in os.environ.items()
        if name.startswith(("INNERLOOP_", "GIT_")) or name in _VARIABLES
    )
    is_terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if is_terminal else 0
    key = [
        [*words, str(root), __version__, sys.version, is_terminal, width],
        variables,
        *_sources(),
        ["pyproject.toml", *_state(root / "pyproject.toml")],
        *islice(_tree(str(root), str(root / SOURCES)), _MOST_ROWS + 1),
    ]
    if len(key) > _MOST_ROWS:
        raise _Unknown
    return key


def _sources() -> Iterator[list[Any]]:
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


def _tree(root: str, folder: str) -> Iterator[list[Any]]:
    """A row for each folder, file and link below a folder, sorted."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = entry.path[len(root) + 1 :]
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(os.path.join(root, SOURCES) + os.sep):
                raise _Unknown
            yield [name, os.readlink(entry.path), *_state(Path(entry.path))]
        elif entry.is_dir():
            if entry.name not in _IGNORED:
                yield [name]
                yield from _tree(root, entry.path)
        else:
            yield [name, *_of_status(entry.stat())]


def _states(root: Path, paths: Any) -> dict[str, list[Any]]:
    return {path: _state(root / path) for path in paths}


def _state(path: Path) -> list[Any]:
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


def _of_status(status: os.stat_result) -> list[int]:
    return [status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _places(root: Path, paths: Any) -> dict[str, list[Any]]:
    """What is at each path, whatever it contains: the mode and number, and the text of a link."""
    return {path: _place(root / path) for path in paths}


def _place(path: Path) -> list[Any]:
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


def _changes(key: Sequence[Any]) -> list[int]:
    """The times of the changes below src/ and of pyproject.toml in a key, in nanoseconds."""
    return [0, *(row[-2] for row in key[2:] if len(row) > 2)]


def _times(state: Sequence[Any]) -> list[int]:
    """The times of the changes in a state, of the content and of the entry itself."""
    numbers = state[1:] if state and isinstance(state[0], str) else state
    return [time for at in range(0, len(numbers), 5) for time in numbers[at + 2 : at + 4]]


def _last_change(path: Path) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        return 0
    return max(status.st_mtime_ns, status.st_ctime_ns)
