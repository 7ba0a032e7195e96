"""Paths that were read from a file of the workspace."""

from __future__ import annotations

import re


def is_inside(path: str) -> bool:
    """Whether a path read from a file is relative and stays below the workspace's root.

    The answer is the same on every system.
    """
    parts = path.split("/")
    has_drive = re.match(r"[A-Za-z]:", path) is not None
    has_control = re.search("[\x00-\x1f\x7f]", path) is not None
    is_plain = "\\" not in path and not has_drive and not has_control
    return is_plain and not {"", ".", ".."} & set(parts)
