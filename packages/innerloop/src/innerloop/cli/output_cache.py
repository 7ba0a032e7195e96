"""Cached output of commands that only read the workspace, and of a sync that has nothing to do.

The commands are `loop list`, `loop check` and `loop sync` without arguments. With the cache they are
nearly as fast as `loop --version`, which matters in hooks and tasks.

An entry is valid while everything that the command may read is unchanged: the tool, pyproject.toml,
innerloop.toml, all files and links below src/ (but the text of files that it has not read), the paths
elsewhere that the command consulted with the folders that lead to them (a sync: all generated files),
the files of data that it looked at, git's settings about links, the variables, and the terminal.
Otherwise the command runs, and its output becomes the new entry. A sync that changes something leaves
none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from .. import __version__
from ..util.cache_folder import SETTLED_NS, file_of
from ..util.errors import UserError
from ..util.printable import printable_streams, raw
from ..workspace import read_states, unread_texts

# Variables that decide how something is printed, and where git's settings are.
_VARIABLES = {"NO_COLOR", "COLUMNS", "TERM", "HOME", "XDG_CONFIG_HOME"}


def replay_or_run(root: Path, words: Sequence[str], run: Callable[[], int]) -> int:
    """Print the cached output and return its exit code; without a valid entry, call `run`."""
    try:
        asked, rows = _asked(root, words), read_states.sources(root)
    except (read_states.Unknown, OSError):
        return run()
    path = file_of(root, "output", f"-{words[0]}.json")
    try:
        entry = json.loads(path.read_bytes())
        if (
            entry["asked"] == asked
            and entry["rows"] == unread_texts.others(root, rows, entry["unread"])
            and entry["elsewhere"] == read_states.states(root, entry["elsewhere"])
            and entry["places"] == read_states.places(root, entry["places"])
            and entry["searched"] == read_states.digests_of_folders(root, entry["searched"])
        ):
            raw(sys.stdout).write(entry["output"])
            return int(entry["exit_code"])
    except (OSError, ValueError, TypeError, KeyError, UserError, read_states.Unknown):
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
        _store(path, root, asked, rows, "".join(out.parts), code, started)
    return code


def _store(
    path: Path,
    root: Path,
    asked: list[Any],
    rows: list[read_states.Row],
    output: str,
    code: int,
    started: int,
) -> None:
    """Write an entry, unless a file changes while the command runs, or shortly before."""
    from ..util import files
    from ..workspace.loader import WorkspaceFiles

    found = read_states.consulted(root)
    if WorkspaceFiles.uncacheable or found is None:
        return
    elsewhere, places = found
    try:
        read, unread = unread_texts.divided(root, rows, WorkspaceFiles.room())
        if read_states.sources(root) != rows:  # after the glimpses, which are of these files then
            return
        states = read_states.states(root, sorted(elsewhere))
        searched = {path: read_states.in_folder(root, path) for path in WorkspaceFiles.searched}
        every = [*rows, *(row for found_in in searched.values() for row in found_in)]
        if read_states.newest_change(root, every, states, places) > started - SETTLED_NS:
            return
        entry = {
            "asked": asked,
            "rows": read,
            "unread": unread,
            "elsewhere": states,
            "places": read_states.places(root, sorted(places)),
            "searched": {path: read_states.digest(there) for path, there in searched.items()},
            "output": output,
            "exit_code": code,
        }
        files.write_text(path, json.dumps(entry))
    except (read_states.Unknown, OSError, UserError):
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


def _asked(root: Path, words: Sequence[str]) -> list[Any]:
    """Everything that decides the output, except for files."""
    variables = sorted(
        [name, value]
        for name, value in os.environ.items()
        if name.startswith(("INNERLOOP_", "GIT_")) or name in _VARIABLES
    )
    is_terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if is_terminal else 0
    return [[*words, str(root), __version__, sys.version, is_terminal, width], variables]
