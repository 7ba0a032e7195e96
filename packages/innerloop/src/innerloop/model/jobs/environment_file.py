"""An environment in a file of its own: `environment: file:./environment.yml`.

Azure ML's client reads the file, with its paths relative to it, as if it were in the job.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace

from ...util import yaml_text
from ...util.errors import UserError
from ..asset_files import AssetFile
from ..paths import code_root
from .job import Environment, Job, Reading


def file_of(job: Job) -> str | None:
    """The environment's file, relative to the workspace's root; None if the job names none."""
    reference = job.environment.reference or ""
    if job.environment.kind != "registered" or not reference.startswith("file:"):
        return None
    return code_root(job.name, reference)


def environment_of(job: Job, read: Callable[[str], str | None]) -> Environment:
    """The job's environment. Raises `UserError` for a missing or invalid file."""
    path = file_of(job)
    if path is None:
        return job.environment
    text = read(path)
    if text is None:
        raise UserError(
            f"the environment file {path} does not exist",
            code="environment-file-missing",
            where=job.where("environment"),
            hint="Check the path after file:",
        )
    return environment_in(text, path, job.name)


def environment_of_asset(
    asset: AssetFile, job: Job, read: Callable[[str], str | None]
) -> Environment:
    """The environment in the file that stands for a registered one. UserError if it is invalid."""
    environment = environment_in(read(asset.file) or "", asset.file, job.name)
    if environment.kind not in ("build", "image", "conda"):
        raise UserError(
            "the environment has neither a build nor an image",
            code="environment-invalid",
            where=asset.position or asset.file,
            hint="Write image:, or build: {path: .}",
        )
    return environment


def environment_in(text: str, file: str, job_file: str) -> Environment:
    """The file's environment, with its paths relative to the job's file. UserError if it is invalid."""
    parsed = yaml_text.parse(text, file)
    reading = Reading(parsed)
    environment = reading.environment(parsed.value, ())
    if reading.problems:
        raise reading.problems[0]

    def moved(path: str) -> str:
        full = posixpath.join(posixpath.dirname(file), path.removeprefix("file:"))
        return posixpath.relpath(full, posixpath.dirname(job_file) or ".")

    conda_file = environment.conda_file
    return replace(
        environment,
        path=None if environment.path is None else moved(environment.path),
        conda_file=moved(conda_file) if isinstance(conda_file, str) else conda_file,
    )
