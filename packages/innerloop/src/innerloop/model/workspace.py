"""The workspace: its root, its settings, its experiments, and how a command names one."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import field

from ..util.digests import sha256
from ..util.errors import UsageError, UserError, did_you_mean, join_names
from ..util.quick_dataclasses import dataclass
from .experiment_paths import ExperimentPaths, default_paths, owners_in
from .settings.declarations import Declaration
from .settings.settings import Settings

# Variables of the workspace's dev container: its folder on the host, and in the container.
HOST = "INNERLOOP_HOST_WORKSPACE"
INSIDE = "INNERLOOP_CONTAINER_WORKSPACE"


@dataclass(frozen=True, slots=True)
class Workspace:
    """`root` is the absolute path in the system's own form; `experiments` are sorted.

    `located` has the paths of the experiments whose parts are not all in `src/<name>/`, `declared`
    the declarations of experiments. `host` is the root on the engine's host inside the workspace's dev
    container, else "".
    """

    root: str
    settings: Settings
    experiments: tuple[str, ...]
    broken: Mapping[str, UserError] = field(default_factory=dict)
    host: str = ""
    located: Mapping[str, ExperimentPaths] = field(default_factory=dict)
    declared: Mapping[str, Declaration] = field(default_factory=dict)

    def paths_of(self, name: str) -> ExperimentPaths:
        """Where the parts of an experiment are."""
        return self.located.get(name) or default_paths(name)

    def owners_of(self, path: str) -> list[str]:
        """The experiments that have a file, by its path from the root, as a part of them."""
        return owners_in({name: self.paths_of(name) for name in self.experiments}, path)

    @property
    def identity(self) -> str:
        """The same on the host and in the workspace's dev container; images and labels use it."""
        return self.host or self.root

    @property
    def name(self) -> str:
        """The last part of the root's path."""
        return _last(self.root)

    @property
    def image_name(self) -> str:
        """The first part of every image's name, different for two clones on one machine."""
        slug = re.sub(r"[^a-z0-9]+", "-", _last(self.identity).lower()).strip("-") or "workspace"
        return f"{slug[:40]}-{sha256(self.identity.encode()).hexdigest()[:8]}"


NONE_YET = (
    "No experiments yet. `scripts/loop new NAME` creates one: a folder under src/ with an "
    "environment/Dockerfile. Code and jobs that are elsewhere: [experiments.NAME] in innerloop.toml."
)


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or "workspace"


def resolve(workspace: Workspace, word: str | None, here: str | None) -> str:
    """The experiment's full name from the word on the command line.

    The word is a full name, a unique last part, a path (`src/x`, `./x/`), the path of a file in it
    (an editor's open file: from the root, from the current folder, or absolute), or None inside an
    experiment's folder. `here` is the current folder relative to the root, with "/".
    """
    if word is None:
        return _from_folder(workspace, here)
    names = list(workspace.experiments)
    cleaned = word.replace("\\", "/").rstrip("/")
    for candidate in (cleaned, cleaned.removeprefix("./").removeprefix("src/")):
        if name := same_letters(candidate, names):
            return name
    for path in _from_root(workspace, cleaned, here):
        if owner := _holder(workspace, path):
            return owner
    endings = [name for name in names if same_letters(cleaned, [name.split("/")[-1]])]
    if len(endings) == 1:
        return endings[0]
    if endings:
        raise UsageError(
            f'"{word}" is ambiguous: {_or(endings)}',
            code="experiment-ambiguous",
            hint="Write the full name",
        )
    _require_experiments(workspace)
    if _is_file(cleaned):
        raise UsageError(
            f'"{word}" is in no experiment\'s folder',
            code="experiment-unknown",
            hint=f"Open a file of one, or name it: {join_names(names)}",
        )
    raise UsageError(
        f'the experiment "{word}" does not exist',
        code="experiment-unknown",
        hint=did_you_mean(cleaned, names),
    )


def same_letters(word: str, names: Sequence[str]) -> str | None:
    """The name that is the word; letters with accents may be one character or two.

    A keyboard types one, and macOS's older file systems keep two. None if there is no such name.
    """
    if word in names or word.isascii():
        return word if word in names else None
    composed = unicodedata.normalize("NFC", word)
    same = (name for name in names if unicodedata.normalize("NFC", name) == composed)
    return next(same, None)


def _from_root(workspace: Workspace, path: str, here: str | None) -> list[str]:
    """The possible meanings of a path, relative to the root.

    It may start at the root or at the current folder, or be absolute and below the root (drive
    letters on Windows have either case).
    """
    root = workspace.root.replace("\\", "/").rstrip("/")
    if path.casefold().startswith(root.casefold() + "/"):
        return [path[len(root) + 1 :]]
    from_here = [posixpath.join(here or ".", path)] if _is_file(path) or path[:1] == "." else []
    return [posixpath.normpath(one) for one in (path, *from_here)]


def _is_file(path: str) -> bool:
    """Whether it looks like a file's name; a plain word is a misspelt name, not a path."""
    return re.search(r"\w\.\w+$", path) is not None


def _holder(workspace: Workspace, path: str) -> str | None:
    """The experiment that has a path as a part of it; None for none, or for several."""
    owners = workspace.owners_of(path)
    return owners[0] if len(owners) == 1 else None


def _from_folder(workspace: Workspace, here: str | None) -> str:
    if here is not None and (name := _holder(workspace, here)):
        return name
    _require_experiments(workspace)
    raise UsageError(
        "no experiment is named",
        code="experiment-unnamed",
        hint=f"Name one of {join_names(workspace.experiments)}, or change to its folder",
    )


def _require_experiments(workspace: Workspace) -> None:
    if not workspace.experiments:
        raise UserError(
            "the workspace has no experiment under src/",
            code="no-experiments",
            hint="Create one with `scripts/loop new NAME`",
        )


def _or(names: list[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
