"""The CUDA that an experiment's packages, or the image that they are installed on, are made for."""

from __future__ import annotations

from pathlib import Path

from ..model.cuda import Version, cuda_of, cuda_of_image
from ..model.experiment import Experiment
from ..util import files


def of_experiment(root: Path, experiment: Experiment) -> Version | None:
    """By the lock, else by the name of the Dockerfile's base image; None without CUDA."""
    lock = experiment.paths.lock
    text = (files.read_text(root / lock) if lock else "") or ""
    dockerfile = experiment.dockerfile
    return cuda_of(text) or cuda_of_image(dockerfile.image_of(dockerfile.last))
