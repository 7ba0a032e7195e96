"""The user's cache folder of the tool."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """INNERLOOP_CACHE, else `innerloop` in the user's cache folder (on Windows, local app data)."""
    if folder := os.environ.get("INNERLOOP_CACHE"):
        return Path(folder)
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "innerloop" / "cache"
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "innerloop"
    return Path.home() / ".cache" / "innerloop"
