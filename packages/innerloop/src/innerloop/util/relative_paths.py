"""Paths that were read from a file of the workspace, or typed in a command line."""

from __future__ import annotations

import re
from pathlib import Path


def is_inside(path: str) -> bool:
    """Whether a path read from a file is relative and stays below the workspace's root.

    The answer is the same on every system.
    """
    parts = path.split("/")
    has_drive = re.match(r"[A-Za-z]:", path) is not None
    has_control = re.search("[\x00-\x1f\x7f]", path) is not None
    is_plain = "\\" not in path and not has_drive and not has_control
    return is_plain and not {"", ".", ".."} & set(parts)


def real_path(path: Path) -> Path:
    """The path without links and `..` on the way: only its last name may be a link."""
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
