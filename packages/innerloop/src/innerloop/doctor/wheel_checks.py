"""Checks of the wheels that a workspace holds: whether they are those of the pin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..util import locked_environments, regular_files, wheels
from ..util.errors import UserError, join_names
from ..util.wheels import PLATFORMS, LockedPackage, Target
from .checks import Checkup, Fact

_PIN = "scripts/loop-requirements.txt"
_GROUPS = (
    "azure", "debugger", "format", "kubernetes", "mcp", "mlflow", "pytest", "sweep", "tensorboard",
)  # fmt: skip
_VENDOR = "`scripts/loop vendor` brings them in line"


def vendored_wheels(checkup: Checkup) -> Iterator[Fact]:
    folder = checkup.root / wheels.WHEELS
    there = wheels.wheels_in(folder)
    if not there:
        return
    pinned = wheels.packages(_text(checkup))
    known = [*pinned, *(package for group in _GROUPS for package in _lock(group))]
    names = {package.name for package in known}
    versions = {(package.name, package.version) for package in known}
    own = [wheel for wheel in there if wheel.name.package in names]
    unpinned = [wheel for wheel in own if not any(wheel.is_of(package) for package in known)]
    changed = [w for w in unpinned if (w.name.package, w.name.version) in versions]
    if pointers := [w for w in own if _is_pointer(folder / w.name.file)]:
        what = f"{_some(w.name.file for w in pointers)}: a pointer of git LFS, not the file"
        yield Fact("bad", "vendored wheels", what, "`git lfs pull`")
    elif changed:
        what = f"{_some(w.name.file for w in changed)}: not the file that the pin names"
        yield Fact("bad", "vendored wheels", what, _VENDOR)
    if old := [wheel for wheel in unpinned if wheel not in changed]:
        what = f"{_some(w.name.file for w in old)}: not pinned"
        yield Fact("note", "vendored wheels", what, _VENDOR)
    if unpinned:
        return
    platform = PLATFORMS.get(wheels.this_platform())
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    lacking: list[LockedPackage] = []
    if platform is not None and any(wheel.name.package != "innerloop" for wheel in own):
        lacking = wheels.lacking(pinned, own, Target(platform, python))
    if lacking:
        names_ = join_names([package.name for package in lacking], 4)
        what = f"this system and Python {python} lack: {names_}; an index is asked for them"
        yield Fact("note", "vendored wheels", what, "`scripts/loop vendor` adds them")
    elif own:
        yield Fact("ok", "vendored wheels", f"{len(own)} in {wheels.WHEELS}, as pinned")


def _text(checkup: Checkup) -> str:
    try:
        return regular_files.read_bytes(checkup.root / _PIN).decode("utf-8", "replace")
    except (OSError, UserError):
        return ""


def _lock(group: str) -> list[LockedPackage]:
    return wheels.packages(locked_environments.lock_of(group).read_text(encoding="utf-8"))


def _is_pointer(path: Path) -> bool:
    try:
        return regular_files.read_bytes(path, follow=False).startswith(b"version https://git-lfs")
    except (OSError, UserError):
        return False


def _some(names: Iterable[str]) -> str:
    return join_names(list(names), 3)
