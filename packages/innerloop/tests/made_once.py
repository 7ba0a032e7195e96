"""What the workers of one session of tests make once for all: environments, and built packages.

The process that the workers report to makes a folder, which they know by SHARED and which goes with it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from innerloop.util import files, locked_environments

# The variable with the folder.
SHARED = "INNERLOOP_TEST_SHARED"


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name. The first that asks for it makes it, beside its place.

    Whoever gets it reads alone.
    """
    folder = Path(os.environ[SHARED], name)
    with files.locked(folder.with_name(f"{name}.lock")):
        if not folder.exists():
            new = folder.with_name(f"{name}.new")
            shutil.rmtree(new, ignore_errors=True)  # of one that failed
            make(new)
            new.rename(folder)
    return folder


def share_environments(cache: Path) -> None:
    """Have a cache of the tool keep what is made of its own locks in the shared folder.

    The launcher and the tool make such an environment under a lock, and never change it.
    """
    locks = (locked_environments.PACKAGE / "locks").glob("*.txt")
    cache.mkdir(parents=True, exist_ok=True)
    for group in ("tool", "build", *(lock.stem for lock in locks)):
        shared = Path(os.environ[SHARED], "environments", group)
        shared.mkdir(parents=True, exist_ok=True)
        if not (cache / group).exists():
            (cache / group).symlink_to(shared)
