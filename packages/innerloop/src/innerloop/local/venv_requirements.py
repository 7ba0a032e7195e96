"""The environment of the backend venv: its packages, its Python, its folder in the cache."""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..docker import conda_images, engine
from ..model import environment_lock, environment_source
from ..model.dockerfiles.dockerfile import Dockerfile
from ..model.environment import ResolvedEnvironment
from ..model.environment_lock import EnvironmentLock, LockUse
from ..model.environment_source import EnvironmentSource
from ..model.experiment import TEST_LOCK, Experiment
from ..model.experiment_paths import LOCK
from ..model.run import Run
from ..model.workspace import Workspace
from ..util import files, locked_environments, process, venvs
from ..util.digests import sha256
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.network import Network
from ..util.quick_dataclasses import dataclass
from ..workspace import requirement_files
from ..workspace.loader import WorkspaceFiles
from . import uv

# Python's own images: python, python:3.11-slim-bookworm, docker.io/library/python:3 ...
_OFFICIAL = late_pattern(
    r"(?:docker\.io/)?(?:library/)?python(?::(?:(?P<version>3\.\d+)(?:[.-].*)?|[^/]*))?"
)


@dataclass(frozen=True, slots=True)
class Packages:
    """The requirements files, or their text where the environment has no files.

    `constraints` is the text of a file of constraints, "" for none. `python` is the version that the
    environment asks for, "" for any. `missing` says why venv cannot install it.
    `lock` is one that uv installs itself.
    """

    files: tuple[Path, ...] = ()
    text: str = ""
    python: str = ""
    notes: tuple[str, ...] = ()
    missing: UserError | None = None
    constraints: str = ""
    lock: EnvironmentLock | None = None

    @property
    def key(self) -> str:
        """A text that decides what is installed, besides the files."""
        lock = self.lock.key if self.lock is not None else ""
        return "\0".join(filter(None, (self.text, self.constraints, lock)))


def packages_for(workspace: Workspace, environment: ResolvedEnvironment) -> Packages:
    """The requirements in the folder of the Dockerfile, or the packages of the conda file.

    An image of Python alone is an environment without packages.
    """
    image = environment.image
    if environment.lock is not None:
        return _of_lock(environment.lock)
    if environment.folder and environment.conda is None:
        try:
            if (source := _lock_in(workspace, environment)) is not None:
                lock = environment_lock.lock_of(source, _read(workspace), _use(environment))
                python = version_in(image.dockerfile if image else None)
                return replace(_of_lock(lock), python=python)
            locks = _locks_of(workspace, environment)
        except UserError as error:
            return Packages(missing=error)
        python = version_in(image.dockerfile if image else None)
        return Packages(tuple(locks), python=python, notes=environment.notes)
    if environment.conda is not None:
        packages = environment.conda
        notes = ["pip installs the packages of conda_file, conda's own under the same names"]
        if packages.left_out:
            omitted = ", ".join(packages.left_out)
            notes.append(f"left out, since pip has no such packages: {omitted}")
        notes += conda_images.variables_note(packages)
        constraints = conda_images.lines(packages.constraints)
        text = conda_images.lines(packages.requirements)
        return Packages((), text, packages.python, tuple(notes), constraints=constraints)
    name = image.name if image else ""
    if official := _OFFICIAL.fullmatch(name):
        note = f"the image {name} is Python and pip alone: the environment has no other packages"
        return Packages(python=official["version"] or "", notes=(note,))
    return Packages(
        missing=environment.missing
        or UserError(
            f"the job's environment is the image {name}, and the backend venv cannot know its "
            "packages",
            code="environment-needs-docker",
            where=environment.position,
            hint=engine.advice("Start Docker and use --backend docker"),
        )
    )


def _of_lock(lock: EnvironmentLock) -> Packages:
    source = lock.source
    if source.kind == "pixi":
        return Packages(
            missing=UserError(
                f"{source.path} has packages of conda, which the backend venv cannot install",
                code="environment-needs-docker",
                where=source.path,
                hint=engine.advice("Start Docker and use --backend docker"),
            )
        )
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = "" if source.accepts(own) else source.usual_python
    if lock.is_uvs:
        return Packages(python=python, lock=lock)
    notes = () if lock.is_hashed else (f"{source.path} has no hashes: nothing checks the packages",)
    return Packages((), lock.requirements, python, notes, constraints=lock.constraints)


def _lock_in(workspace: Workspace, environment: ResolvedEnvironment) -> EnvironmentSource | None:
    """The experiment's own lock, or that beside a Dockerfile, if there are no requirements for pip."""
    if not environment.folder:
        return None
    own = environment.requirements
    if environment_source.kind_by_name(posixpath.basename(own)) not in (None, "requirements"):
        return environment_source.source_of(own, _read(workspace), own)
    requirements = environment.requirements or posixpath.join(environment.folder, LOCK)
    if Path(workspace.root, requirements).is_file():
        return None
    return environment_source.lock_in(environment.folder, _read(workspace))


def _read(workspace: Workspace) -> environment_source.Read:
    return WorkspaceFiles(Path(workspace.root)).read


def _use(environment: ResolvedEnvironment) -> LockUse:
    return "test" if environment.test else "dev" if environment.dev else "job"


def install(
    run: Run,
    packages: Packages,
    environment: Path,
    program: str,
    say: venvs.Say,
    network: Network | None = None,
) -> None:
    """Create the environment of the backend venv with this Python `program`, unless it exists."""
    requirements = list(packages.files)
    place = run.environment.source
    if requirements:
        place = os.path.relpath(requirements[0].parent, run.workspace.root)
    if (lock := packages.lock) is not None:
        root = Path(run.workspace.root)
        venvs.ensure(
            environment,
            [],
            python=program,
            purpose=f"{run.experiment.name}'s environment ({lock.source.path})",
            say=say,
            reach=network,
            owner=run.workspace.root,
            installer=uv.installer(lock, root, environment, program),
        )
        return
    if not requirements:
        requirements = [environment.with_name(f"{environment.name}.txt")]
        if not venvs.is_ready(environment):
            text = packages.text
            if packages.constraints:
                constraints = environment.with_name(f"{environment.name}-constraints.txt")
                files.write_text(constraints, packages.constraints)
                text += f"-c {constraints.name}\n"
            files.write_text(requirements[0], text)
    venvs.ensure(
        environment,
        requirements,
        python=program,
        purpose=f"{run.experiment.name}'s environment ({place})",
        say=say,
        reach=network,
        hashed=all(_has_hashes(path) for path in requirements),
        owner=run.workspace.root,
        uv=locked_environments.uv_or_pip,
    )


def requirements(workspace: Workspace, experiment: Experiment, dev: bool = False) -> list[Path]:
    """The locks to install from.

    They are requirements.txt, and with `dev` also requirements-dev.txt if it exists. UserError when
    the experiment has no requirements.txt.
    """
    return locks_of(workspace, experiment.paths.lock, dev)


def _locks_of(workspace: Workspace, environment: ResolvedEnvironment) -> list[Path]:
    path = environment.requirements or posixpath.join(environment.folder, LOCK)
    if not environment.test:
        return locks_of(workspace, path, environment.dev)
    (lock,) = locks_of(workspace, path)
    return [lock, lock.with_name(TEST_LOCK)]


def locks_of(workspace: Workspace, lock: str, dev: bool = False) -> list[Path]:
    """The locks of any environment; `lock` is the first one's path from the workspace's root."""
    locked = Path(workspace.root, lock)
    folder = locked.parent
    if not locked.is_file():
        raise UserError(
            f"the backend venv needs {lock}, which does not exist",
            code="requirements-missing",
            where=posixpath.dirname(lock) or ".",
            hint="Write it (with hashes: `uv pip compile --generate-hashes`). "
            + engine.advice("Or start Docker"),
        )
    dev_lock = folder / "requirements-dev.txt"
    return [locked, dev_lock] if dev and dev_lock.is_file() else [locked]


def environment_of(
    experiment: Experiment, locked: Sequence[Path], python: str, text: str = ""
) -> Path:
    """The environment's folder, keyed by its content.

    The key is made from the locks and the files that they refer to (or `text`, the requirements
    themselves), the Python version and this system.
    """
    text += requirement_files.contents(locked)
    key = sha256(f"{venvs.tag()}\n{python}\n{text}".encode()).hexdigest()[:12]
    return venvs.cache_folder() / "envs" / f"{experiment.slug}-{key}"


def python_for(experiment: Experiment) -> tuple[str, str, str]:
    """An interpreter of the image's Python version if this machine has one, else this Python.

    Returns (program, its version "3.11", a note when the version differs from the image's, else
    "").
    """
    return interpreter(version_in(experiment.dockerfile))


def version_in(dockerfile: Dockerfile | None) -> str:
    """The Python version in the name of a Dockerfile's base image ("3.11"), or ""."""
    image = dockerfile.image_of(dockerfile.last) if dockerfile else ""
    match = re.search(r"python:(\d+\.\d+)", image)
    return match[1] if match else ""


def interpreter(version: str) -> tuple[str, str, str]:
    """Like `python_for`, for a version from an image or a conda file; "" accepts any version."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = venvs.base_python()
    if version in ("", own):
        return base, own, ""
    program = process.which(f"python{version}")
    if program and process.run([program, "-c", "import sys"]).ok:
        return program, version, ""
    return base, own, f"the image has Python {version}, this machine has {own}"


def _has_hashes(path: Path) -> bool:
    """Whether the file pins its packages by hashes, or names no packages."""
    text = files.read_text(path) or ""
    return "--hash=" in text or not text.strip()
