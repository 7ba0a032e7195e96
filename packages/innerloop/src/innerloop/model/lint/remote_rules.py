"""Rules about `[remote.NAME]`, the machines of the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...util.errors import UserError
from ..experiment import Experiment
from ..jobs.job import Job
from ..settings import remotes
from . import slurm_rules
from .finding import INFO, Finding, finding_of


def of_experiment(experiment: Experiment, job: Job | None) -> Iterator[Finding]:
    """A mistake in a table, what a cluster does not give, data of inputs that the job does not have."""
    try:
        machines = remotes.read(experiment.settings.remote)
    except UserError as error:
        yield finding_of(error)
        return
    if job is None:
        return
    clusters = [machine for machine in machines.values() if machine.slurm is not None]
    found = [slurm_rules.of_job(experiment, job, machine) for machine in clusters]
    yield from dict.fromkeys(finding for each in found for finding in each)
    for machine in machines.values() if job.kind == "command" else ():
        for name in machine.data:
            where = machine.positions.get(f"data.{name}")
            # The workspace's table serves all experiments: not each has every input.
            if where is None or name in job.inputs:
                continue
            if where.file == experiment.paths.settings:
                what = f'remote.{machine.name}.data: the job has no input "{name}"'
                hint = f"Its inputs: {', '.join(sorted(job.inputs)) or 'none'}"
                yield Finding(where, what, hint, "input-undeclared", INFO)
