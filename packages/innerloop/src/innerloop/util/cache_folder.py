"""The user's cache folder of the tool."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

# Two changes of a file within a clock tick of the file system look like one: what is younger is not kept.
SETTLED_NS = 100_000_000


def cache_folder() -> Path:
    """INNERLOOP_CACHE, else `innerloop` in the user's cache folder (on Windows, local app data)."""
    if folder := os.environ.get("INNERLOOP_CACHE"):
        return Path(folder)
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "innerloop" / "cache"
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "innerloop"
    return Path.home() / ".cache" / "innerloop"


def file_of(root: Path, kind: str, ending: str) -> Path:
    """The file that keeps something of a `kind` about the workspace in `root`."""
    return cache_folder() / kind / f"{zlib.crc32(os.fsencode(root)):08x}{ending}"
