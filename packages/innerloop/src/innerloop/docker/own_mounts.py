"""The mounts of the container that we are in ourselves, by which the engine knows our files."""

from __future__ import annotations

import os
from pathlib import Path

from ..model.host_paths import Bind, binds_of, own_ids
from ..util import files
from ..util.host_name import host_name
from . import client, engine


def own_binds() -> tuple[Bind, ...]:
    """The mounts of the container that we are in.

    Empty outside of a container, and where the engine that we talk to does not know our container
    (an engine of its own runs in it).
    """
    if os.name == "nt" or not client.is_in_container():
        return ()
    ids = own_ids(
        files.read_text(Path("/proc/self/mountinfo")) or "",
        files.read_text(Path("/proc/self/cgroup")) or "",
        host_name(),
    )
    for name in ids:
        mounts = engine.mounts_of(name)
        if mounts is not None:
            return binds_of(mounts)
    return ()
