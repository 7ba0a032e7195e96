"""A call that ends at any of its steps on the disk, in a real process with nothing replaced.

The steps are counted by an audit hook of the interpreter: open for writing, rename, remove, mkdir,
chmod, symlink.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from innerloop.util.errors import UserError

STEPS = {
    *("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.symlink"),
    "os.link",
}
DONE, FEWER = 0, 99


def stopped_at(root: Path, at: int, then: Callable[[], None], call: Callable[[], object]) -> int:
    """The exit code of the call in a process of its own, with `then` called in it.

    `then` is called before the at-th step of the call on files below the root. FEWER when it ends
    well with fewer steps.
    """
    child = os.fork()
    if child == 0:
        code = 70
        reached: list[str] = []
        try:
            sys.addaudithook(_hook(root, at, then, reached))
            call()
            code = DONE if len(reached) >= at else FEWER
        except UserError:
            code = 1
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _hook(
    root: Path, at: int, then: Callable[[], None], reached: list[str]
) -> Callable[[str, tuple[Any, ...]], None]:
    def step(event: str, args: tuple[Any, ...]) -> None:
        position = args[1] if event == "os.symlink" else args[0] if args else ""
        if event not in STEPS or not _is_below(root, position):
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        reached.append(event)
        if len(reached) == at:
            then()

    return step


def _is_below(root: Path, position: object) -> bool:
    """Whether a step's file is below the root.

    The tool names files relative to an open folder (util/confined.py): a name without a folder, or
    a descriptor, is a file of the workspace.
    """
    name = os.fsdecode(position) if isinstance(position, (str, bytes, Path)) else "descriptor"
    return name.startswith(str(root)) or os.sep not in name


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# A campaign at every step runs in the nightly tests; else it meets some that lie evenly.
EVERY_STEP = pytest.mark.parametrize(
    "every",
    [pytest.param(False, id="sample"), pytest.param(True, id="all", marks=pytest.mark.nightly)],
)
ONE_OF = 3


def copies(
    root: Path, folder: Path, *, every: bool, first: int = 1, most: int = 400
) -> Iterator[tuple[int, Path]]:
    """The number of a step and a copy of a workspace, for each step from the first or one of ONE_OF."""
    for number in range(1 if every else first, most, 1 if every else ONE_OF):
        copy = folder / str(number)
        shutil.copytree(root, copy, symlinks=True)
        yield number, copy
    raise AssertionError(f"more than {most} steps")
