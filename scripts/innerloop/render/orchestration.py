"""The files of `.github/workflows/` and `orchestration/`: who starts what has a `[schedule]`.

They are written whole (`merge.whole`), so each begins with a comment that says by whom. A module
for each orchestrator; adding one is a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..spec.orchestrators import ARGO, AZURE_DEVOPS, GITHUB
from . import Subject

if TYPE_CHECKING:
    from ..spec.experiment import Experiment
    from ..spec.job import Job
    from ..spec.schedule import Schedule

# (all that is rendered, the experiment, its job with the schedule's overrides in it, its schedule)
# -> the file's text
Render = Callable[["Subject", "Experiment", "Job", "Schedule"], str]

# Where an orchestrator keeps the file of an experiment, by the experiment's slug.
PATHS: Mapping[str, str] = {
    GITHUB: ".github/workflows/train-{slug}.yml",
    AZURE_DEVOPS: "orchestration/azure-devops/train-{slug}.yml",
    ARGO: "orchestration/argo/{slug}.yml",
}

# What the pipelines of Azure DevOps share, and a person fills in.
VARIABLES = "orchestration/azure-devops/variables.yml"
SHARED = (VARIABLES, ".github/workflows/ci.yml", "orchestration/azure-devops/ci.yml")


def files_of(name: str) -> list[str]:
    """Every file that an orchestrator may have of an experiment."""
    return [path.format(slug=name.replace("/", ".")) for path in PATHS.values()]


def workflows(subject: Subject) -> dict[str, str]:
    """Path -> text: for each experiment with a schedule and each orchestrator that it names; and
    what checks every push, for those that the workspace names."""
    settings = subject.workspace.settings.orchestrators
    checking = set(settings.names) if settings.chosen else set()
    used = {one for schedule in subject.schedules.values() for one in schedule.orchestrators}
    if not (checking or used):
        return {}
    from . import azure_devops, ci

    texts = dict(_of_experiments(subject)) if subject.schedules else {}
    if GITHUB in checking:
        texts[ci.GITHUB_PATH] = ci.github(subject)
    if AZURE_DEVOPS in checking:
        texts[ci.AZURE_DEVOPS_PATH] = ci.azure_devops(subject)
    if AZURE_DEVOPS in checking | used:
        texts[VARIABLES] = azure_devops.variables()
    return texts


def _of_experiments(subject: Subject) -> Iterator[tuple[str, str]]:
    from ..spec.overrides import override

    renders = _renders()
    for experiment in subject.experiments:
        schedule, job = subject.schedules.get(experiment.name), subject.jobs.get(experiment.name)
        if schedule is None or job is None:
            continue
        job = override(job, schedule.sets)
        for one in schedule.orchestrators:
            if one in renders:
                path = PATHS[one].format(slug=experiment.slug)
                yield path, renders[one](subject, experiment, job, schedule)


def minutes(job: Job, *, hosted: bool) -> int:
    """How long a machine waits for the job: the job's own limit and an hour for what comes before
    and after it. A machine of the service's own gives six hours at most."""
    wanted = 24 * 60 if job.timeout is None else -(-job.timeout // 60) + 60
    return min(wanted, 360) if hosted else wanted


def _renders() -> dict[str, Render]:
    from . import argo, azure_devops, github

    return {GITHUB: github.render, AZURE_DEVOPS: azure_devops.render, ARGO: argo.render}


def header(path: str, *sources: str) -> list[str]:
    """The comment that a rendered file begins with."""
    return [
        f"Rendered by `scripts/loop sync` from {' and '.join(sources)}.",
        "Change those, not this: from your first edit on it is yours, and sync tells you when what",
        f"it would render has changed. To take it over for good: `scripts/loop sync --eject {path}`",
    ]
