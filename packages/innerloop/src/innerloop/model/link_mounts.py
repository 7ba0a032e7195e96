"""The mounts with which a container can follow links that lead out of a mounted folder. Pure.

A link is text that the container's system resolves with the container's paths. So what a link leads
to is mounted, for reading, at the path that this resolution arrives at. Many links into one folder
(a cache of DVC, a data set on another disk) are one mount of that folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence

from ..util.quick_dataclasses import dataclass
from .container import Mount
from .folder_contents import FolderContents, FolderLink, is_of_system
from .paths import is_within

# The most mounts for the links of one run: an engine's command line is limited, and so is the
# patience of the person who reads what is mounted.
MOST = 16
_MOST_LEVELS = 12


Resolve = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class LinkMounts:
    """`mounts` are for reading. `missed` are links that still lead nowhere in the container."""

    mounts: tuple[Mount, ...] = ()
    missed: tuple[FolderLink, ...] = ()

    def outside(self, root: str) -> list[str]:
        """The sources outside of the workspace, each without those that another one contains."""
        sources = [mount.source for mount in self.mounts if not is_within(mount.source, root)]
        return [
            source
            for source in dict.fromkeys(sources)
            if not any(other != source and is_within(source, other) for other in sources)
        ]


@dataclass(frozen=True, slots=True)
class _Goal:
    """What a link leads to: its real path on this machine, and its path in the container."""

    source: str
    target: str

    def parent(self) -> _Goal | None:
        """The folders above, where they have the same relation."""
        source, name = posixpath.split(self.source)
        target, other = posixpath.split(self.target)
        return _Goal(source, target) if name == other else None


def plan(
    contents: Iterable[tuple[FolderContents, str]],
    mounts: Sequence[Mount],
    *,
    root: str,
    home: str,
    resolve: Resolve,
) -> LinkMounts:
    """The mounts for the links of folders.

    Each folder comes with its path in the container. `mounts` are those that the container has
    anyway, with their sources resolved; `root` is the workspace's, also resolved, `home` the
    person's home: neither is mounted as a whole. `resolve` is a path with all links resolved.
    """
    links: dict[_Goal, list[FolderLink]] = {}
    missed: list[FolderLink] = []
    for folder, target in contents:
        for goal, link in _goals(folder, target):
            if goal is None or is_of_system(goal.target) or goal.target.count("/") < 2:
                missed.append(link)
            elif not _is_visible(goal, mounts, resolve):
                links.setdefault(goal, []).append(link)
    inside = [goal for goal in links if is_within(goal.source, root)]
    outside = [goal for goal in links if not is_within(goal.source, root)]
    chosen: list[_Goal] = []
    for goals in (inside, outside):
        chosen += _gathered(goals, root, home)
    chosen = [goal for goal in chosen if not _hides(goal, mounts)]
    missed += [
        link
        for goal, those in links.items()
        if not any(_leads_to(goal, mount) for mount in chosen)
        for link in those
    ]
    return LinkMounts(
        tuple(Mount(goal.source, goal.target, read_only=True) for goal in chosen),
        tuple(dict.fromkeys(missed)),
    )


def _goals(folder: FolderContents, target: str) -> Iterable[tuple[_Goal | None, FolderLink]]:
    """What each link leads to; None for one that no mount can help."""
    places = [(folder.folder, target)]  # real folders, and where the container sees them
    for link in folder.links:
        if link.state == "inside" and not link.text.startswith("/"):
            continue
        if link.state == "broken":
            continue
        if link.state == "circular" and is_within(link.target, folder.folder):
            continue  # a circle in the container, too
        if not link.text.isprintable() or not link.target.isprintable() or ":" in link.text[:2]:
            yield None, link
            continue
        parent = posixpath.dirname(link.at)
        for place, seen in list(places):
            if not is_within(parent, place):
                continue
            at = posixpath.normpath(posixpath.join(seen, posixpath.relpath(parent, place)))
            path = posixpath.normpath(posixpath.join(at, link.text))
            if link.state == "circular":
                yield None, link
            else:
                yield _Goal(link.target, path), link
                if link.is_folder and link.state == "outside":
                    places.append((link.target, path))


def _is_visible(goal: _Goal, mounts: Sequence[Mount], resolve: Resolve) -> bool:
    """Whether the container has the goal's content at its path without further mounts.

    That may be through another link, which has its own goal.
    """
    over = [mount for mount in mounts if is_within(goal.target, mount.target)]
    if not over:
        return False
    mount = max(over, key=lambda one: len(one.target))
    below = posixpath.relpath(goal.target, mount.target)
    return resolve(posixpath.normpath(posixpath.join(mount.source, below))) == goal.source


def _hides(goal: _Goal, mounts: Sequence[Mount]) -> bool:
    """Whether a mount there would be in another mount, or hide it."""
    return any(
        is_within(goal.target, mount.target) or goal.target == mount.target for mount in mounts
    )


def _gathered(goals: Sequence[_Goal], root: str, home: str) -> list[_Goal]:
    """At most `MOST` mounts: where there are more, those of the folders that have the goals."""
    current = list(dict.fromkeys(goals))
    for _ in range(_MOST_LEVELS):
        if len(current) <= MOST:
            break
        higher = list(dict.fromkeys(_above(goal, root, home) for goal in current))
        if higher == current:
            break
        current = higher
    kept = [
        goal
        for goal in current
        if not any(other != goal and _leads_to(goal, other) for other in current)
    ]
    return kept[:MOST]


def _above(goal: _Goal, root: str, home: str) -> _Goal:
    parent = goal.parent()
    if parent is None or parent.source.count("/") < 2 or parent.target.count("/") < 2:
        return goal
    if is_of_system(parent.target):
        return goal
    wide = any(is_within(folder, parent.source) for folder in (root, home) if folder)
    return goal if wide else parent


def _leads_to(goal: _Goal, mount: _Goal) -> bool:
    """Whether a mount brings the goal."""
    if not is_within(goal.source, mount.source) or not is_within(goal.target, mount.target):
        return False
    below = posixpath.relpath(goal.source, mount.source)
    return below == posixpath.relpath(goal.target, mount.target)
