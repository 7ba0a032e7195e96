"""The files of orchestrators: which module makes which file, for which experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ...model.jobs.overrides import override
from ...model.settings.orchestrators import ARGO, AZURE_DEVOPS, GITHUB
from . import argo_files, azure_devops, ci, github, prebuild
from .generated_files import Specification
from .workflow_context import AZURE_DEVOPS_CI, GITHUB_CI, PATHS, PREBUILD, VARIABLES

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

# (specification, experiment, its job with the schedule's overrides, its schedule) -> the file's text
Renderer = Callable[["Specification", "Experiment", "Job", "Schedule"], str]

RENDERERS: Mapping[str, Renderer] = {
    GITHUB: github.render,
    AZURE_DEVOPS: azure_devops.render,
    ARGO: argo_files.render,
}


def render(specification: Specification) -> dict[str, str]:
    """Path -> text of the orchestrators' files.

    A file for each experiment with a schedule and each orchestrator that starts it; and the files
    with what runs at every push, for the orchestrators that the workspace's settings name.
    """
    settings = specification.workspace.settings.orchestrators
    chosen = set(settings.names) if settings.chosen else set()
    used = {
        name for schedule in specification.schedules.values() for name in schedule.orchestrators
    }
    texts = dict(_of_experiments(specification))
    if GITHUB in chosen:
        texts[GITHUB_CI] = ci.github(specification)
        texts[PREBUILD] = prebuild.render(specification)
    if AZURE_DEVOPS in chosen:
        texts[AZURE_DEVOPS_CI] = ci.azure_devops(specification)
    if AZURE_DEVOPS in chosen | used:
        texts[VARIABLES] = azure_devops.variables()
    return texts


def _of_experiments(specification: Specification) -> Iterator[tuple[str, str]]:
    for experiment in specification.experiments:
        schedule = specification.schedules.get(experiment.name)
        job = specification.jobs.get(experiment.name)
        if schedule is None or job is None:
            continue
        job = override(job, schedule.sets)
        for name in schedule.orchestrators:
            path = PATHS[name].format(slug=experiment.slug)
            yield path, RENDERERS[name](specification, experiment, job, schedule)
