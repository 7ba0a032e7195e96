"""Requirements files that say more than the locks compiled from them.

A person wrote a package into requirements.in, or merged it, and the image is built from a
requirements.txt without it. The texts decide, not the times of the files, which git does not keep.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...util.errors import join_names
from ...util.position import Position
from .. import cpu_lock
from ..dockerfiles.dockerfile import Dockerfile, pruned
from .build_rules import installed_files
from .finding import INFO, WARNING, Files, Finding

if TYPE_CHECKING:
    from ..requirements import Unlocked


def check_locks(parsed: Dockerfile, context: str, files: Files) -> Iterator[Finding]:
    """Each requirement in a NAME.in whose NAME.txt, which the build installs, does not satisfy it.

    A warning for what the job's own stage installs, else an info.
    """
    job = pruned(parsed, None)
    for path, texts in installed_files(parsed).items():
        if not path.endswith(".txt") or path.startswith(".."):
            continue
        lock_name = posixpath.join(context, path)
        source_name = f"{lock_name.removesuffix('.txt')}.in"
        source, lock = files.read(source_name), files.read(lock_name)
        cpu_name = cpu_lock.name_of(lock_name)
        cpu = None if lock is None else files.read(cpu_name)
        if lock is not None and cpu is not None:
            yield from _of_cpu(context, cpu_name, source, lock, cpu)
        if source is None or lock is None:
            continue
        from .. import requirements  # here: few images have a lock with a source

        severity = WARNING if any(text in job for text in texts) else INFO
        for missing in requirements.unlocked(source, lock):
            yield Finding(
                Position(source_name, missing.line, 1),
                f"{missing.requirement} is not in {posixpath.basename(lock_name)}{_found(missing)}",
                _hint(context),
                "lock-outdated",
                severity,
            )


def _of_cpu(
    context: str, cpu_name: str, source: str | None, lock: str, cpu: str
) -> Iterator[Finding]:
    """The lock of machines without a GPU, which has the versions of the full one."""
    if why := cpu_lock.outdated(source, lock, cpu):
        home, name = posixpath.split(context)
        is_usual = name == "environment" and home.startswith("src/")
        experiment = home.removeprefix("src/") if is_usual else "EXP"
        yield Finding(
            Position(cpu_name, 1, 1),
            f"{posixpath.basename(cpu_name)} is outdated: {why}. Machines without a GPU install the "
            "full lock",
            f"Compile it: `scripts/loop lock {experiment} --torch cpu`",
            "lock-outdated",
            WARNING,
        )


def _found(missing: Unlocked) -> str:
    if not missing.locked:
        return ", so it will not be installed"
    return f", which pins {join_names(missing.locked)}"


def _hint(context: str) -> str:
    home, name = posixpath.split(context)
    if name == "environment" and home.startswith("src/"):
        return f"Compile the lock: `scripts/loop add {home.removeprefix('src/')}`"
    return "Compile the lock again, by the command at its head"
