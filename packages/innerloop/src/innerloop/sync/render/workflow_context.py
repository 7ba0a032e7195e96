"""The files of `.github/workflows/` and `orchestration/`: who starts what has a `[schedule]`.

They are written whole (`merge.whole`), so each begins with a comment that says by whom. Here is what
the modules of the orchestrators share; `orchestrators` is the table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...model.naming import slug_of
from ...model.settings.orchestrators import ARGO, AZURE_DEVOPS, GITHUB

if TYPE_CHECKING:
    from ...model.jobs.job import Job

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
    return [path.format(slug=slug_of(name)) for path in PATHS.values()]


def minutes(job: Job, *, hosted: bool) -> int:
    """How long a machine waits for the job: the job's own limit and an hour for what comes before
    and after it. A machine of the service's own gives six hours at most."""
    wanted = 24 * 60 if job.timeout is None else -(-job.timeout // 60) + 60
    return min(wanted, 360) if hosted else wanted


def header(path: str, *sources: str) -> list[str]:
    """The comment that a rendered file begins with."""
    return [
        f"Rendered by `scripts/loop sync` from {' and '.join(sources)}.",
        "Change those, not this: from your first edit on it is yours, and sync tells you when what",
        f"it would render has changed. To take it over for good: `scripts/loop sync --eject {path}`",
    ]
