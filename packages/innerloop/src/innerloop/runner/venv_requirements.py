"""Which packages the backend venv installs for a run's environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..local import venv
from ..model.environment import ResolvedEnvironment
from ..model.run import Run
from ..model.workspace import Workspace
from ..util import files, venvs
from ..util.errors import UserError
from ..util.network import Network
from . import conda_images

# Python's own images: python, python:3.11-slim-bookworm, docker.io/library/python:3 ...
_OFFICIAL = re.compile(
    r"(?:docker\.io/)?(?:library/)?python(?::(?:(?P<version>3\.\d+)(?:[.-].*)?|[^/]*))?"
)


@dataclass(frozen=True, slots=True)
class Packages:
    """The requirements files, or their text where the environment has no files. `python` is the
    version that the environment asks for, "" for any. `missing` says why venv cannot install it."""

    files: tuple[Path, ...] = ()
    text: str = ""
    python: str = ""
    notes: tuple[str, ...] = ()
    missing: UserError | None = None


def packages_for(workspace: Workspace, environment: ResolvedEnvironment) -> Packages:
    """The requirements in the folder of the Dockerfile, or the packages of the conda file. An image
    of Python alone is an environment without packages."""
    image = environment.image
    if environment.folder:
        try:
            locks = venv.locks_in(workspace, environment.folder, environment.dev)
        except UserError as error:
            return Packages(missing=error)
        return Packages(tuple(locks), python=venv.version_in(image.dockerfile if image else None))
    if environment.conda is not None:
        packages = environment.conda
        notes = ["pip installs the packages of conda_file, conda's own under the same names"]
        if packages.left_out:
            omitted = ", ".join(packages.left_out)
            notes.append(f"left out, since pip has no such packages: {omitted}")
        requirements = conda_images.lines(packages.requirements)
        return Packages((), requirements, packages.python, tuple(notes))
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
            hint="Start Docker and use --backend docker",
        )
    )


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
    if not requirements:
        requirements = [environment.with_name(f"{environment.name}.txt")]
        if not venvs.is_ready(environment):
            files.write_text(requirements[0], packages.text)
    folder = os.path.relpath(requirements[0].parent, run.workspace.root)
    venvs.ensure(
        environment,
        requirements,
        python=program,
        purpose=f"{run.experiment.name}'s environment ({folder})",
        say=say,
        reach=network,
        hashed=all(_has_hashes(path) for path in requirements),
        owner=run.workspace.root,
    )


def _has_hashes(path: Path) -> bool:
    """Whether the file pins its packages by hashes, or names no packages."""
    text = files.read_text(path) or ""
    return "--hash=" in text or not text.strip()
