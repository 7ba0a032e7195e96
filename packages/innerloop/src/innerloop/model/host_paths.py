"""Paths in the current container as the engine's host has them.

The engine resolves a mount on its host, not in the container that requests it.

Source: `docker inspect`, the list Mounts (Type, Source, Destination, RW).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bind:
    """`target` in the container is `source` on the host.

    The source is a bound folder or file, or a volume's folder.
    """

    source: str
    target: str


def binds_of(mounts: Sequence[Mapping[str, Any]]) -> tuple[Bind, ...]:
    """A container's Mounts, without those that have no path on a disk (tmpfs)."""
    return tuple(
        Bind(mount["Source"], mount["Destination"]) for mount in mounts if mount.get("Source")
    )


def to_host(path: str, binds: Sequence[Bind]) -> str | None:
    r"""The path on the host, through the innermost mount that contains it.

    None for a path that is only in the container. "C:\work" keeps its own separator.
    """
    path = posixpath.normpath(path)
    containing = [bind for bind in binds if _contains(bind.target, path)]
    if not containing:
        return None
    bind = max(containing, key=lambda one: len(posixpath.normpath(one.target)))
    below = posixpath.relpath(path, posixpath.normpath(bind.target))
    if below == ".":
        return bind.source
    separator = "\\" if re.match(r"[A-Za-z]:\\|\\\\", bind.source) else "/"
    return separator.join([bind.source.rstrip("/\\"), *below.split("/")])


def _contains(target: str, path: str) -> bool:
    folder = posixpath.normpath(target)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def own_ids(mountinfo: str, cgroup: str, hostname: str) -> list[str]:
    """Possible ids of the current container, the surest first.

    Engines mount its hostname file from a folder with its id. With cgroups v1 the group has that
    name. The last one is its hostname.
    """
    ids = re.findall(r"/containers/([0-9a-f]{64})/", mountinfo)
    ids += re.findall(r"/(?:docker-)?([0-9a-f]{64})(?:\.scope)?$", cgroup, re.MULTILINE)
    return list(dict.fromkeys([*ids, *([hostname] if hostname else [])]))
