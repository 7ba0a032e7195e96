"""Paths in a container as the engine's own machine has them. A mount that we ask the engine for is
looked up there, not in the container that we ask from. Pure.

Source: `docker inspect`, the list Mounts (Type, Source, Destination, RW).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bind:
    """`target` in the container is `source` on the engine's machine: a folder or file that was
    bound, or a volume's folder."""

    source: str
    target: str


def binds_of(mounts: Sequence[Mapping[str, Any]]) -> tuple[Bind, ...]:
    """From a container's Mounts; what has no path on a disk (tmpfs) is left out."""
    return tuple(Bind(one["Source"], one["Destination"]) for one in mounts if one.get("Source"))


def to_host(path: str, binds: Sequence[Bind]) -> str | None:
    """The path on the engine's machine, through the innermost mount that holds it; None for a
    path that is in the container alone. "C:\\work" there keeps its own separator."""
    wanted = posixpath.normpath(path)
    holding = [bind for bind in binds if _holds(bind.target, wanted)]
    if not holding:
        return None
    bind = max(holding, key=lambda one: len(posixpath.normpath(one.target)))
    inside = posixpath.relpath(wanted, posixpath.normpath(bind.target))
    if inside == ".":
        return bind.source
    separator = "\\" if re.match(r"[A-Za-z]:\\|\\\\", bind.source) else "/"
    return separator.join([bind.source.rstrip("/\\"), *inside.split("/")])


def _holds(target: str, path: str) -> bool:
    folder = posixpath.normpath(target)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def own_ids(mountinfo: str, cgroup: str, hostname: str) -> list[str]:
    """What our container may be called, the surest first: engines mount its hostname file from a
    folder with its id; with version 1 of cgroups the group has that name; else the host's name."""
    found = re.findall(r"/containers/([0-9a-f]{64})/", mountinfo)
    found += re.findall(r"/(?:docker-)?([0-9a-f]{64})(?:\.scope)?$", cgroup, re.MULTILINE)
    return list(dict.fromkeys([*found, *([hostname] if hostname else [])]))
