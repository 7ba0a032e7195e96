"""What is installed from a lock: the files that an image's build copies, or lines for pip. Pure."""

from __future__ import annotations

from typing import Literal

from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import poetry_lock
from .environment_source import EnvironmentSource, Read, toml_of
from .jobs import conda

# For whom: the job, its tests, or a person, who gets all groups of the project.
LockUse = Literal["job", "test", "dev"]
_TEST = "test"
# The names of pip's files in a build's folder.
REQUIREMENTS = "requirements.txt"
CONSTRAINTS = "constraints.txt"


@dataclass(frozen=True, slots=True)
class EnvironmentLock:
    """A lock that was read.

    `files`: name and text of each file that a build copies; none of a poetry.lock, whose packages are
    in the Dockerfile. `requirements` and `constraints` are pip's text; both are "" for a lock that uv
    or pixi installs. `options` are uv's, for the groups.
    """

    source: EnvironmentSource
    files: tuple[tuple[str, str], ...]
    requirements: str = ""
    constraints: str = ""
    options: tuple[str, ...] = ()

    @property
    def is_pips(self) -> bool:
        return self.source.kind in ("requirements", "poetry")

    @property
    def is_uvs(self) -> bool:
        return self.source.kind in ("uv", "pylock")

    @property
    def is_hashed(self) -> bool:
        """Whether everything is checked against a hash."""
        return not self.is_pips or not self.requirements or "--hash=" in self.requirements

    @property
    def key(self) -> str:
        """A text that differs whenever something else is installed."""
        parts = [self.source.kind, self.requirements, *self.options]
        return "\0".join([*parts, *(part for file in self.files for part in file)])


def lock_of(
    source: EnvironmentSource, read: Read, use: LockUse = "job", *, linux: bool = False
) -> EnvironmentLock:
    """Read a lock. Raises `UserError` if it is gone or invalid, at its line.

    `linux`: without the hashes of packages that are for other systems alone.

    ValueError for a Dockerfile, a conda file or an asset, which are no locks.
    """
    text = read(source.path)
    if text is None:
        raise UserError(
            f"there is no {source.path}",
            code="environment-source-missing",
            where=source.path,
            hint="Correct the path, or commit the file",
        )
    if source.kind == "poetry":
        groups = {"job": {"main"}, "test": {"main", _TEST}, "dev": None}[use]
        lines = poetry_lock.requirements(text, source.path, groups, linux=linux)
        return EnvironmentLock(source, (), lines)
    if source.kind == "requirements":
        found, constraints = conda.requirement_lines(source.path, read, source.path)
        lines = _joined(found)
        files = [(REQUIREMENTS, lines + (f"-c {CONSTRAINTS}\n" if constraints else ""))]
        files += [(CONSTRAINTS, _joined(constraints))] if constraints else []
        return EnvironmentLock(source, tuple(files), lines, _joined(constraints))
    if source.kind == "pylock":
        return EnvironmentLock(source, (("pylock.toml", text),))
    if source.kind not in ("uv", "pixi"):
        raise ValueError(source.kind)
    manifest = read(source.manifest) or ""
    name = source.manifest.rsplit("/", 1)[-1]
    files = [(name, manifest), (source.name, text)]
    options = _groups(toml_of(manifest, source.manifest), use) if source.kind == "uv" else ()
    return EnvironmentLock(source, tuple(files), options=options)


def _groups(project: dict[str, object], use: LockUse) -> tuple[str, ...]:
    groups = project.get("dependency-groups")
    if use == "dev" and (groups or _has_older_groups(project)):
        return ("--all-groups",)
    has_tests = isinstance(groups, dict) and _TEST in groups
    return ("--no-default-groups", *(("--group", _TEST) if use == "test" and has_tests else ()))


def _has_older_groups(project: dict[str, object]) -> bool:
    """Whether it has uv's own key for the group `dev`, which was before the groups of the standard."""
    tool = project.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return isinstance(uv, dict) and bool(uv.get("dev-dependencies"))


def _joined(lines: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in lines)
