"""Names of the images of a job's pods: an environment with a job's code on top of it.

Their contents are in remote/argo/images.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import asdict

from ..model.container import image_name_part
from ..model.experiment import Experiment
from ..model.jobs.job import Job
from ..model.paths import code_root

RUN = "run"


def variant(experiment: Experiment, job: Job) -> str:
    """A short digest of the environment and the code.

    It is "" for the experiment's own environment with the code of its own folder.
    """
    environment, code = job.environment, code_root(job.name, job.code)
    context = environment.path and code_root(job.name, environment.path)
    own = (
        experiment.is_own
        and environment.kind in ("build", "none")
        and (
            environment.kind == "none" or _is_own_build(experiment, context, environment.dockerfile)
        )
        and code == experiment.folder
    )
    if own:
        return ""
    text = json.dumps([{**asdict(environment), "path": context}, code], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _is_own_build(experiment: Experiment, context: str | None, dockerfile: str) -> bool:
    paths = experiment.paths
    if context is None or context != paths.context:
        return False
    return posixpath.normpath(posixpath.join(context, dockerfile)) == paths.dockerfile


def is_bare(job: Job) -> bool:
    """Whether the pods use a published image unchanged, because there is no code to add."""
    environment = job.environment
    return (
        job.code is None
        and environment.kind == "image"
        and not (environment.image or "").startswith("azureml:")
    )


def repository(experiment: Experiment, variant: str) -> str:
    """The image's name in the registry: "digits", "search.ranking-1a2b3c"."""
    return image_name_part(f"{experiment.slug}-{variant}" if variant else experiment.slug)


def floating_tag(registry: str, experiment: Experiment, variant: str) -> str:
    """The name of the latest push."""
    return f"{registry}/{repository(experiment, variant)}:{RUN}"
