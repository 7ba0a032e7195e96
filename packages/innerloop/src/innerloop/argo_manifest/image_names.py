"""Which images a job's pods are started from, by name alone: an environment with a job's code on
top of it. Where each lies is the registry's business, what is in it `cluster/images.py`'s."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from ..model.container import image_name_part
from ..model.experiment import Experiment
from ..model.jobs.job import Job
from ..model.paths import code_root

RUN = "run"


def variant(experiment: Experiment, job: Job) -> str:
    """ "" for the experiment's own environment with the code of its own folder; a short digest for
    every other pair."""
    environment, code = job.environment, code_root(job.name, job.code)
    context = environment.path and code_root(job.name, environment.path)
    own = (
        experiment.is_own
        and environment.kind in ("build", "none")
        and (environment.kind == "none" or context == f"{experiment.folder}/environment")
        and environment.dockerfile == "Dockerfile"
        and code == experiment.folder
    )
    if own:
        return ""
    told = json.dumps([{**asdict(environment), "path": context}, code], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:6]


def is_bare(job: Job) -> bool:
    """Whether the pod starts from an image as somebody else built it: there is no code to add."""
    named = job.environment
    return (
        job.code is None
        and named.kind == "image"
        and not (named.image or "").startswith("azureml:")
    )


def repository(experiment: Experiment, variant: str) -> str:
    """The image's name in the registry: "digits", "search.ranking-1a2b3c"."""
    return image_name_part(f"{experiment.slug}-{variant}" if variant else experiment.slug)


def moving(registry: str, experiment: Experiment, variant: str) -> str:
    """The name that always means the newest push."""
    return f"{registry}/{repository(experiment, variant)}:{RUN}"
