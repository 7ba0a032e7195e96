"""What a job asks of a cluster, against what runs there and what `[remote.NAME.slurm]` says of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...util.position import Position
from ..experiment import Experiment
from ..gpu import GpuSetting
from ..jobs.job import Job
from ..settings.remotes import RemoteSetting
from ..settings.slurm_settings import DISTRIBUTIONS, time_text
from .finding import WARNING, Finding


def of_job(experiment: Experiment, job: Job, machine: RemoteSetting) -> Iterator[Finding]:
    """A distribution that does not start there, a time limit over the partition's, too many GPUs for a node."""
    yield from _distribution(job)
    yield from _time(job, machine)
    yield from _gpus(experiment.settings.gpu, machine)


def _distribution(job: Job) -> Iterator[Finding]:
    distribution = job.distribution
    where = job.where("distribution", "type")
    if distribution is None or where is None or distribution.type in DISTRIBUTIONS:
        return
    yield Finding(
        where,
        f"Slurm starts no processes of the distribution {distribution.type}",
        "Use pytorch or mpi, or run it on a backend that starts them",
        "slurm-distribution",
        WARNING,
    )


def _time(job: Job, machine: RemoteSetting) -> Iterator[Finding]:
    slurm = machine.slurm
    if slurm is None or slurm.max_time is None:
        return
    seconds, where = slurm.time, machine.positions.get("slurm.time")
    if job.timeout:
        seconds, where = job.timeout, job.where("limits", key_of_timeout(job))
    if seconds is None or where is None or seconds <= slurm.max_time:
        return
    yield Finding(
        where,
        f"the time limit {time_text(seconds)} is over that of the partition, "
        f"{time_text(slurm.max_time)} (max_time of remote.{machine.name}.slurm)",
        "Lower it, or name a partition that gives more",
        "slurm-time",
        WARNING,
    )


def key_of_timeout(job: Job) -> str:
    """The key of `limits` that says how long a run of the job may take."""
    return "trial_timeout" if job.kind == "sweep" else "timeout"


def _gpus(setting: GpuSetting, machine: RemoteSetting) -> Iterator[Finding]:
    slurm = machine.slurm
    own = setting if setting.is_option else machine.gpus or setting
    on_node = slurm.gpus_per_node if slurm is not None else None
    count = own.count or len(own.devices)
    where: Position | None = own.where or machine.positions.get("gpus")
    where = where or machine.positions.get("slurm.gpus_per_node")
    if on_node is None or where is None or count <= on_node:
        return
    yield Finding(
        where,
        f"{own.shown}, but a node has {on_node} (gpus_per_node of remote.{machine.name}.slurm)",
        "Ask for fewer, with more nodes: resources.instance_count",
        "slurm-gpus",
        WARNING,
    )
