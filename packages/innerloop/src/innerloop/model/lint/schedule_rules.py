"""Problems of a `[schedule]`: in itself, and together with the job that it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...util.errors import UserError, did_you_mean
from ...util.quick_dataclasses import dataclass
from ..experiment import Experiment
from ..jobs.job import Job
from ..jobs.overrides import as_set, override
from ..settings import schedules
from ..settings.dispatch_inputs import default_of, fits, kind_of
from ..settings.orchestrators import GITHUB, Orchestrator
from ..settings.schedules import Schedule
from .finding import Finding, finding_of

# Minutes. Source: GitHub Actions, "Events that trigger workflows", schedule.
SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """`schedule` is None if it cannot be read."""

    schedule: Schedule | None
    findings: tuple[Finding, ...]


def check(experiment: Experiment, job: Job | None, default: tuple[Orchestrator, ...]) -> Checked:
    """No findings for an experiment without a schedule.

    `job` is None if the experiment has none; `default` are the workspace's orchestrators.
    """
    if experiment.settings.schedule is None:
        return Checked(None, ())
    try:
        schedule = schedules.read(experiment.settings.schedule, default)
    except UserError as error:
        return Checked(None, (finding_of(error),))
    return Checked(schedule, tuple(_findings(experiment, job, schedule)))


def _findings(experiment: Experiment, job: Job | None, schedule: Schedule) -> Iterator[Finding]:
    if job is None:
        yield Finding(
            schedule.where(""),
            "the experiment has no job to start",
            "Write azure-ml-job.yaml",
            "job-file-missing",
        )
        return
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", experiment.name):
        yield Finding(
            schedule.where(""),
            f'an orchestrator cannot start "{experiment.name}"',
            "Rename the folder: use only letters, digits, _, - and . (`scripts/loop rename`)",
            "name-refused",
        )
    if GITHUB in schedule.orchestrators and schedule.cron.shortest < SHORTEST:
        yield Finding(
            schedule.where("cron"),
            f'schedule.cron: "{schedule.cron.text}" recurs every {schedule.cron.shortest} min',
            f"GitHub starts a workflow at most every {SHORTEST} minutes",
            "cron-too-frequent",
        )
    for name in job.inputs:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            yield Finding(
                job.where("inputs", name),
                f'orchestrators cannot have an input called "{name}"',
                "Rename it in the job file: use only letters, digits and _, a letter first",
                "name-refused",
            )
    changed = job
    for path, value in schedule.set.items():
        override_text = as_set(path, value)
        try:
            changed = override(changed, [override_text])
        except UserError as error:
            yield Finding(
                schedule.where(f"set.{path}"),
                f"schedule.set: {error.what.removeprefix(f'--set {override_text}: ')}",
                error.hint,
                error.code,
            )
            continue
        yield from _set_type(job, schedule, path)
    for name in schedule.allowed:
        yield from _allowed(changed, schedule, name)


def _set_type(job: Job, schedule: Schedule, path: str) -> Iterator[Finding]:
    group, _, name = path.partition(".")
    input_ = job.inputs.get(name) if group == "inputs" else None
    value = schedule.set[path]
    if input_ is not None and not fits(value, input_):
        yield Finding(
            schedule.where(f"set.{path}"),
            f"schedule.set: {path} = {value!r} is not a {kind_of(input_)}",
            f"The job has {default_of(input_)!r} there",
            "type-mismatch",
        )


def _allowed(job: Job, schedule: Schedule, name: str) -> Iterator[Finding]:
    position, input_ = schedule.where(f"allowed.{name}"), job.inputs.get(name)
    if input_ is None:
        message = f'schedule.allowed: the job has no input "{name}"'
        hint = did_you_mean(name, list(job.inputs))
        yield Finding(position, message, hint, "input-undeclared")
        return
    values, default = schedule.allowed[name], default_of(input_)
    for value in values:
        if not fits(value, input_):
            message = f"schedule.allowed: {name} cannot be {value!r}: it is a {kind_of(input_)}"
            yield Finding(position, message, f"The job has {default!r} there", "type-mismatch")
            return
    if default is not None and default not in values:
        message = f"schedule.allowed: {name} runs with {default!r}, which is not an allowed value"
        hint = "Add it, or choose another value in [schedule.set]"
        yield Finding(position, message, hint, "value-not-allowed")
