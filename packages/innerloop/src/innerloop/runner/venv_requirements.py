"""Which packages the place venv installs for the environment that a job names."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from ..local import venv
from ..model.jobs.job import Environment
from ..model.run import Run
from ..util import files, venvs
from ..util.errors import UserError
from ..util.network import Network
from . import conda_images
from .environment_resolver import context_of, image_for, is_own, named_by

# Python's own images: python, python:3.11-slim-bookworm, docker.io/library/python:3 ...
_OFFICIAL = re.compile(
    r"(?:docker\.io/)?(?:library/)?python(?::(?:(?P<version>3\.\d+)(?:[.-].*)?|[^/]*))?"
)


@dataclass(frozen=True, slots=True)
class Packages:
    """For the place venv: the requirements files, or their text where the job's environment has
    none; `python` is the version it asks for, "" when it is silent."""

    files: tuple[Path, ...] = ()
    text: str = ""
    python: str = ""
    notes: tuple[str, ...] = ()
    missing: UserError | None = None


def packages_for(run: Run, *, dev: bool = False) -> Packages:
    """What the place venv installs: the requirements beside the Dockerfile, or the conda file's."""
    try:
        named = named_by(run)
        if dev or is_own(run):
            return _listed(run, f"{run.experiment.folder}/environment", dev)
        if named.kind == "build":
            return _listed(run, context_of(run.job, named), dev)
        if named.kind == "conda":
            return _of_conda(run, named)
        setting = run.experiment.settings.environment
        if named.kind in ("registered", "none") and setting.build:
            return _listed(run, posixpath.normpath(setting.build), dev)
    except UserError as mistake:
        return Packages(missing=mistake)
    wanted = image_for(run)
    image = wanted.image.name if wanted.image else ""
    if found := _OFFICIAL.fullmatch(image):
        note = f"the image {image} is Python and pip alone: an environment without packages"
        return Packages(python=found["version"] or "", notes=(f"{note} stands for it",))
    return Packages(
        missing=wanted.missing
        or UserError(
            f"the job's environment is the image {image}, whose packages the place venv cannot know",
            where=run.job.where("environment"),
            hint="Start Docker and use --backend docker",
        )
    )


def install(
    run: Run,
    wanted: Packages,
    environment: Path,
    program: str,
    say: venvs.Say,
    reach: Network | None = None,
) -> None:
    """Makes the environment of the place venv, where it is not there yet."""
    listed = list(wanted.files)
    if not listed:
        listed = [environment.with_name(f"{environment.name}.txt")]
        if not venvs.is_ready(environment):
            files.write_text(listed[0], wanted.text)
    venvs.ensure(
        environment,
        listed,
        python=program,
        purpose=f"{run.experiment.name}'s environment ({os.path.relpath(listed[0].parent, run.workspace.root)})",
        say=say,
        reach=reach,
        hashed=all(_has_hashes(path) for path in listed),
        owner=run.workspace.root,
    )


def _has_hashes(path: Path) -> bool:
    """Whether the file pins what it names by hashes; one that names nothing needs none."""
    text = files.read_text(path) or ""
    return "--hash=" in text or not text.strip()


def _listed(run: Run, context: str, dev: bool) -> Packages:
    locked = venv.locks_in(run.workspace, context, dev)
    named = image_for(run, dev=dev).image
    return Packages(tuple(locked), python=venv.version_in(named.dockerfile if named else None))


def _of_conda(run: Run, named: Environment) -> Packages:
    packages = conda_images.conda_of(run, named)
    notes = ["pip installs the packages of conda_file, conda's own under the same names"]
    if packages.left_out:
        notes.append(f"left out, since pip has no such packages: {', '.join(packages.left_out)}")
    return Packages((), conda_images.lines(packages.requirements), packages.python, tuple(notes))
