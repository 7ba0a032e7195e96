"""The workspace: its root, its settings, its experiments, and how a person may name one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import Mistake, WrongUse, nearest
from .settings import Settings

# Variables of the workspace's own dev container: its folder on the host, and in there.
HOST = "INNERLOOP_HOST_WORKSPACE"
INSIDE = "INNERLOOP_CONTAINER_WORKSPACE"


@dataclass(frozen=True, slots=True)
class Workspace:
    """`root` is the absolute path as the system writes it; `experiments` are names, sorted. `host`
    is the root on the engine's machine where we are in the workspace's own container, else ""."""

    root: str
    settings: Settings
    experiments: tuple[str, ...]
    broken: Mapping[str, Mistake] = field(default_factory=dict)
    host: str = ""

    @property
    def identity(self) -> str:
        """The same on the host and in the workspace's container: images and labels go by it."""
        return self.host or self.root

    @property
    def name(self) -> str:
        """The last part of the root's path."""
        return _last(self.root)

    @property
    def image_name(self) -> str:
        """The first part of every image's name: two clones on one machine never share it."""
        slug = re.sub(r"[^a-z0-9]+", "-", _last(self.identity).lower()).strip("-") or "workspace"
        return f"{slug[:40]}-{hashlib.sha256(self.identity.encode()).hexdigest()[:8]}"


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or "workspace"


def resolve(workspace: Workspace, word: str | None, here: str | None) -> str:
    """The experiment's full name from what a person typed.

    A full name, a unique last part, a path (`src/x`, `./x/`), or nothing at all inside an
    experiment's folder: `here` is the current folder relative to the root, with "/".
    """
    if word is None:
        return _from_folder(workspace, here)
    names = list(workspace.experiments)
    cleaned = word.replace("\\", "/").rstrip("/")
    for candidate in (cleaned, cleaned.removeprefix("./").removeprefix("src/")):
        if candidate in names:
            return candidate
    endings = [name for name in names if name.split("/")[-1] == cleaned]
    if len(endings) == 1:
        return endings[0]
    if endings:
        raise WrongUse(f'"{word}" could be {_or(endings)}', mend="Say which by its full name")
    if not names:
        raise Mistake(
            "there is no experiment under src/ yet", mend="Make one with `scripts/loop new NAME`"
        )
    raise WrongUse(f'there is no experiment "{word}"', mend=nearest(cleaned, names))


def _from_folder(workspace: Workspace, here: str | None) -> str:
    for name in workspace.experiments:
        if here is not None and (here == f"src/{name}" or here.startswith(f"src/{name}/")):
            return name
    raise WrongUse(
        "which experiment?",
        mend=f"Name one of {', '.join(workspace.experiments) or '(none yet)'}, or stand in its folder",
    )


def _or(names: list[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
