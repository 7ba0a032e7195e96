"""Paths that were read from a file of the workspace."""

from __future__ import annotations

import re


def is_inside(path: str) -> bool:
    """Whether a path read from a file is relative and stays below the workspace's root.

    The answer is the same on every system.
    """
    parts = path.split("/")
    has_drive = re.match(r"[A-Za-z]:", path) is not None
    return (
        "\\" not in path and "\0" not in path and not has_drive and not {"", ".", ".."} & set(parts)
    )
