"""Writes the build folders that the tool itself makes, in its cache."""

from __future__ import annotations

from pathlib import Path

from ..model.environment import ResolvedEnvironment
from ..util import venvs
from . import conda_images, lock_images


def write(environment: ResolvedEnvironment) -> None:
    """Write what the Dockerfile of a job's conda file or lock copies; nothing for other environments.

    An experiment's own environment is built in a folder of the workspace, where nothing is written.
    """
    image = environment.image
    if image is None or not Path(image.context).is_relative_to(venvs.cache_folder()):
        return
    if environment.conda is not None:
        conda_images.write_context(image, environment.conda)
    if environment.lock is not None:
        lock_images.write_context(image, environment.lock)
