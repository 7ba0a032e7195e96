"""The tasks that have something to do in an adopted repository. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...model import shared_code
from ...model.jobs.job import Job
from .generated_files import Specification
from .vscode_tasks import FORMAT, NEW, SHARE, SUBMIT, TASKS, VscodeTask

# They change how a workspace is laid out, which an adopted repository has decided.
_OF_A_LAYOUT = {NEW, SHARE}


def of(specification: Specification) -> tuple[VscodeTask, ...]:
    """The tasks in their order, without those for what the repository does not have."""
    left_out = set(_left_out(specification))
    return tuple(task for task in TASKS if task.label not in left_out)


def _left_out(specification: Specification) -> Iterator[str]:
    yield from _OF_A_LAYOUT - ({SHARE} if _shares(specification) else set())
    if not any(is_for_azure(job) for job in specification.jobs.values()):
        yield SUBMIT
    if not specification.formats:
        yield FORMAT


def _shares(specification: Specification) -> bool:
    links = (link for one in specification.experiments for link in one.links)
    return any(link.target.startswith(f"{shared_code.COMMON}/") for link in links)


def is_for_azure(job: Job) -> bool:
    """Whether the job names something of Azure ML: a compute, an asset, or its schema."""
    document = job.document
    if job.compute or "azureml" in str(document.get("$schema") or "").lower():
        return True
    return "azureml:" in job.text.source or "default_compute" in str(document.get("settings") or "")
