"""Cached output of commands that only read the workspace.

The commands are `loop list` and `loop check` without arguments. With the cache they are nearly as
fast as `loop --version`, which matters in hooks and tasks.

An entry is valid while everything that the command may read is unchanged: the tool, pyproject.toml,
innerloop.toml, all files and links below src/, the paths elsewhere that the command consulted, the variables, and
the terminal. Otherwise the command runs, and its output becomes the new entry.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from .. import __version__
from ..model.source_names import SETTINGS_FILE, SOURCES
from ..util import regular_files
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.printable import printable_streams, raw

PACKAGE = Path(__file__).resolve().parent.parent
# Folders below src/ that no command of `CACHED_COMMANDS` reads.
_IGNORED = {"outputs", "logs", "__pycache__", ".git", ".ipynb_checkpoints", ".venv", "node_modules"}
# Two changes of a file within a clock tick of the file system look like one.
_SETTLED_NS = 100_000_000
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
    path = cache_folder() / "output" / f"{zlib.crc32(os.fsencode(root)):08x}-{words[0]}.json"
    try:
        entry = json.loads(path.read_bytes())
        if entry["key"] == key and entry["elsewhere"] == _states(root, entry["elsewhere"]):
            raw(sys.stdout).write(entry["output"])
            return int(entry["exit_code"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    before = sys.stdout, sys.stderr
    out, err = _Tee(raw(sys.stdout)), _Tee(raw(sys.stderr))
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        with printable_streams():
            code = run()
    finally:
        sys.stdout, sys.stderr = before
    if not err.parts:
        _store(path, root, words, key, "".join(out.parts), code)
    return code


def _store(
    path: Path, root: Path, words: Sequence[str], key: list[Any], output: str, code: int
) -> None:
    """Write an entry, unless a file changes while the command runs."""
    from ..util import files
    from ..workspace import text_links
    from ..workspace.loader import WorkspaceFiles

    # Where git wrote links as text files, its index is read, too.
    if WorkspaceFiles.searched or text_links.may_be(root):
        return
    try:
        settled = time.time_ns() - _SETTLED_NS
        if _key(root, words) != key or _newest(key) > settled:
            return
        elsewhere = _states(root, sorted(WorkspaceFiles.consulted))
        entry = {"key": key, "elsewhere": elsewhere, "output": output, "exit_code": code}
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
    if _may_declare(root):
        raise _Unknown
    variables = sorted(
        [name, value]
        for name, value in os.environ.items()
        if name.startswith("INNERLOOP_") or name in ("NO_COLOR", "COLUMNS", "TERM")
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


def _may_declare(root: Path) -> bool:
    if os.path.lexists(root / SETTINGS_FILE):
        return True
    try:
        return b"experiments" in regular_files.read_bytes(root / "pyproject.toml")
    except OSError:
        return False
    except UserError:  # no regular file: the command says what is wrong with it
        return True


def _sources() -> Iterator[list[Any]]:
    """The tool's modules where it runs from its repository; an installed version does not change."""
    if not (PACKAGE.parent.parent / "tests").is_dir():
        return
    todo = [str(PACKAGE)]
    while todo:
        for entry in os.scandir(todo.pop()):
            if entry.name.endswith(".py"):
                yield [entry.path, entry.stat().st_mtime_ns]
            elif entry.is_dir() and entry.name != "__pycache__":
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


def _states(root: Path, paths: Any) -> dict[str, list[int]]:
    return {path: _state(root / path) for path in paths}


def _state(path: Path) -> list[int]:
    try:
        return _of_status(os.stat(path))
    except OSError:
        return []


def _of_status(status: os.stat_result) -> list[int]:
    return [status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _newest(key: Sequence[Any]) -> int:
    """The last change below src/ and of pyproject.toml in a key, in nanoseconds."""
    return max((row[-2] for row in key[2:] if len(row) > 2), default=0)
