"""Submodules of the workspace's repository that are not checked out: empty folders."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from ..util import git_folders, regular_files
from ..util.errors import UserError

_LARGEST = 1_000_000


@lru_cache(maxsize=8)
def missing(root: Path) -> tuple[str, ...]:
    """The folders of submodules without content, as absolute paths; read once in a process."""
    found = git_folders.find(root)
    if found is None:
        return ()
    return tuple(
        path
        for name in _paths(found.work_tree / ".gitmodules")
        if not _has_content(path := os.path.normpath(found.work_tree / name))
        and Path(path).is_relative_to(found.work_tree)
    )


def missing_below(root: Path, path: str) -> list[str]:
    """Those that are the path, contain it, or are below it; relative to the root, with "/"."""
    real = Path(os.path.realpath(path))
    return [
        os.path.relpath(folder, root).replace(os.sep, "/")
        for folder in missing(root)
        if Path(folder).is_relative_to(real) or real.is_relative_to(folder)
    ]


def _paths(file: Path) -> list[str]:
    try:
        text = regular_files.read_bytes(file, _LARGEST).decode("utf-8", "surrogateescape")
    except (OSError, UserError):
        return []
    import configparser  # here: few workspaces have submodules

    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return []
    paths = [parser.get(name, "path", fallback="") or "" for name in parser.sections()]
    return [path.strip('"') for path in paths if path and not os.path.isabs(path)]


def _has_content(path: str) -> bool:
    try:
        return bool(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return not os.path.lexists(os.path.dirname(path))
    except (OSError, ValueError):
        return True
