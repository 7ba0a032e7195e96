"""What is wrong with a `[schedule]`: in itself, and beside the job that it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...util.errors import UserError, did_you_mean
from ..experiment import Experiment
from ..jobs.job import Job
from ..jobs.overrides import as_set, override
from ..settings import schedules
from ..settings.dispatch_inputs import default_of, fits, kind_of
from ..settings.orchestrators import GITHUB
from ..settings.schedules import Schedule
from .finding import Finding, finding_of

_CODE = "schedule"
# Minutes. Source: GitHub Actions, "Events that trigger workflows", schedule.
SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """`schedule` is None where it cannot be read."""

    schedule: Schedule | None
    findings: tuple[Finding, ...]


def check(experiment: Experiment, job: Job | None, default: tuple[str, ...]) -> Checked:
    """`default`: the orchestrators of the workspace. Nothing at all for an experiment without a
    schedule. `job`: None where there is none."""
    if experiment.settings.schedule is None:
        return Checked(None, ())
    try:
        schedule = schedules.read(experiment.settings.schedule, default)
    except UserError as mistake:
        return Checked(None, (finding_of(mistake, _CODE),))
    return Checked(schedule, tuple(_findings(experiment, job, schedule)))


def _findings(experiment: Experiment, job: Job | None, schedule: Schedule) -> Iterator[Finding]:
    if job is None:
        yield _wrong(schedule, "", "there is no job to start", "Write azure-ml-job.yaml")
        return
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", experiment.name):
        what = f'an orchestrator cannot start "{experiment.name}"'
        hint = "Rename the folder: letters, digits, _, - and . alone (`scripts/loop rename`)"
        yield _wrong(schedule, "", what, hint)
    if GITHUB in schedule.orchestrators and schedule.cron.shortest < SHORTEST:
        what = f'schedule.cron: "{schedule.cron.text}" comes every {schedule.cron.shortest} min'
        hint = f"GitHub starts nothing more often than every {SHORTEST} minutes"
        yield _wrong(schedule, "cron", what, hint)
    for name in job.inputs:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            what = f'no orchestrator can ask for an input called "{name}"'
            hint = "Rename it in the job file: letters, digits and _ alone, a letter first"
            yield Finding(job.where("inputs", name), what, hint, _CODE)
    changed = job
    for path, value in schedule.set.items():
        said = as_set(path, value)
        try:
            changed = override(changed, [said])
        except UserError as mistake:
            what = mistake.what.removeprefix(f"--set {said}: ")
            yield _wrong(schedule, f"set.{path}", f"schedule.set: {what}", mistake.hint)
            continue
        yield from _set_type(job, schedule, path)
    for name in schedule.allowed:
        yield from _allowed(changed, schedule, name)


def _set_type(job: Job, schedule: Schedule, path: str) -> Iterator[Finding]:
    group, _, name = path.partition(".")
    one = job.inputs.get(name) if group == "inputs" else None
    value = schedule.set[path]
    if one is not None and not fits(value, one):
        what = f"schedule.set: {path} = {value!r} is no {kind_of(one)}"
        yield _wrong(schedule, f"set.{path}", what, f"The job has {default_of(one)!r} there")


def _allowed(job: Job, schedule: Schedule, name: str) -> Iterator[Finding]:
    key, one = f"allowed.{name}", job.inputs.get(name)
    if one is None:
        what = f'schedule.allowed: the job has no input "{name}"'
        yield _wrong(schedule, key, what, did_you_mean(name, list(job.inputs)))
        return
    values, default = schedule.allowed[name], default_of(one)
    for value in values:
        if not fits(value, one):
            what = f"schedule.allowed: {name} cannot be {value!r}: it is a {kind_of(one)}"
            yield _wrong(schedule, key, what, f"The job has {default!r} there")
            return
    if default is not None and default not in values:
        what = f"schedule.allowed: {default!r} is not among the values of {name}, and is what runs"
        yield _wrong(schedule, key, what, "Add it, or choose another one in [schedule.set]")


def _wrong(schedule: Schedule, key: str, what: str, hint: str) -> Finding:
    return Finding(schedule.where(key), what, hint, _CODE)
