"""The table of orchestrators: a module of this folder for each, and who gets which file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ...model.jobs.overrides import override
from ...model.settings.orchestrators import ARGO, AZURE_DEVOPS, GITHUB
from . import argo_files, azure_devops, ci, github
from .generated_files import Specification
from .workflow_context import PATHS, VARIABLES

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

# (all that is rendered, the experiment, its job with the schedule's overrides in it, its schedule)
# -> the file's text
Render = Callable[["Specification", "Experiment", "Job", "Schedule"], str]

RENDERS: Mapping[str, Render] = {
    GITHUB: github.render,
    AZURE_DEVOPS: azure_devops.render,
    ARGO: argo_files.render,
}


def render(subject: Specification) -> dict[str, str]:
    """Path -> text: for each experiment with a schedule and each orchestrator that it names; and
    what checks every push, for those that the workspace names."""
    settings = subject.workspace.settings.orchestrators
    checking = set(settings.names) if settings.chosen else set()
    used = {one for schedule in subject.schedules.values() for one in schedule.orchestrators}
    texts = dict(_of_experiments(subject))
    if GITHUB in checking:
        texts[ci.GITHUB_PATH] = ci.github(subject)
    if AZURE_DEVOPS in checking:
        texts[ci.AZURE_DEVOPS_PATH] = ci.azure_devops(subject)
    if AZURE_DEVOPS in checking | used:
        texts[VARIABLES] = azure_devops.variables()
    return texts


def _of_experiments(subject: Specification) -> Iterator[tuple[str, str]]:
    for experiment in subject.experiments:
        schedule, job = subject.schedules.get(experiment.name), subject.jobs.get(experiment.name)
        if schedule is None or job is None:
            continue
        job = override(job, schedule.sets)
        for one in schedule.orchestrators:
            path = PATHS[one].format(slug=experiment.slug)
            yield path, RENDERS[one](subject, experiment, job, schedule)
