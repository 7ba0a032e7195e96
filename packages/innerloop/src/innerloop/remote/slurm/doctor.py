"""`loop doctor --backend slurm`: the login node, the cluster's partitions, and what jobs ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...model.gpu import GpuSetting
from ...model.jobs.job import Job
from ...model.lint import slurm_rules
from ...model.settings import remotes
from ...model.settings.remotes import APPTAINER, NO_ENGINE, RemoteSetting
from ...model.settings.slurm_settings import NO_SLURM_SETTING, OF_APPTAINER
from ...model.workspace import Workspace
from ...util.errors import UserError
from ...util.position import Position
from ...workspace import loader
from ..base import DoctorFact
from ..host import doctor
from ..host.host import RemoteHost
from . import partitions
from .partitions import Amount, SlurmDemand, SlurmPartition


def facts(root: Path, host: RemoteHost, remote: str) -> Iterator[DoctorFact]:
    workspace = loader.open_workspace(root)
    setting = remotes.named(workspace.settings.remote, remote)
    slurm = setting.slurm or NO_SLURM_SETTING
    where = setting.where("slurm") or setting.where("") or "no [remote.NAME.slurm]"
    place = f"by ssh on {setting.host}" if setting.host else "on this machine"
    yield "ok", "configuration", f"the login node is {place}, from {where}", ""
    try:
        found = host.facts(APPTAINER if slurm.environment == OF_APPTAINER else NO_ENGINE)
    except UserError as error:
        yield "bad", "connection", error.what, error.hint
        return
    yield "ok", "connection", f"{found.user} on {found.system} {found.machine}", ""
    if "sbatch" not in found.programs:
        yield "bad", "slurm", "there is no program `sbatch`", "Name the cluster's login node"
        return
    asked = host.answer("run", "sinfo", "--noheader", "--format", partitions.FORMAT, timeout=60)
    if not asked.ok:
        said = (asked.err.strip().splitlines() or ["it says no reason"])[-1]
        yield "bad", "slurm", f"the cluster does not answer: {said}", "`sinfo` must work there"
        return
    there = partitions.parse(asked.out)
    yield "ok", "slurm", host.query("run", "sbatch", "--version").strip(), ""
    for one in there:
        state: DoctorFact = ("ok", f"partition {one.name}", str(one), "")
        down: DoctorFact = ("note", f"partition {one.name}", f"down; {one}", "")
        yield state if one.is_up else down
    yield _environment(slurm.environment, found.engine)
    chosen = partitions.chosen(there, slurm.partition)
    if chosen is None:
        names = ", ".join(one.name for one in there)
        what = f"there is no partition {slurm.partition or 'by default'}"
        yield "bad", "partition", what, f"Set partition in [remote.NAME.slurm]: {names}"
    else:
        yield from _jobs(workspace, setting, chosen)
    yield doctor.disk(found, host.backend)


def _environment(kind: str, engine: str) -> DoctorFact:
    if kind == OF_APPTAINER and engine != APPTAINER:
        hint = 'Load it in the login shell there, or set environment = "pyxis" or "venv"'
        return "bad", "environment", "Apptainer is not on PATH there", hint
    return "ok", "environment", kind, ""


def _jobs(
    workspace: Workspace, setting: RemoteSetting, partition: SlurmPartition
) -> Iterator[DoctorFact]:
    """Whether the partition takes each experiment's job."""
    slurm = setting.slurm or NO_SLURM_SETTING
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            job = loader.open_job(workspace, experiment)
        except UserError:
            continue
        gpu = setting.gpus or experiment.settings.gpu
        tasks = max(job.processes, 1)
        demand = SlurmDemand(
            time=int(job.timeout) if job.timeout else slurm.time,
            nodes=job.instance_count,
            tasks=tasks * (slurm.cpus_per_task or 1),
            memory=partitions.megabytes(slurm.memory),
            gpus=gpu.count or len(gpu.devices),
        )
        found = list(partitions.obstacles(demand, partition))
        if found:
            clauses = [
                f"{clause} ({place})" if (place := _where(key, job, setting, gpu)) else clause
                for key, clause in found
            ]
            hint = f"Change {job.name}, or partition in [remote.NAME.slurm]"
            yield "bad", f"job of {name}", f"{partition.name}: {'; '.join(clauses)}", hint
        else:
            yield "ok", f"job of {name}", f"fits into the partition {partition.name}", ""


def _where(
    amount: Amount, job: Job, setting: RemoteSetting, gpu: GpuSetting
) -> Position | str | None:
    """Which line asks for it; None or "" where no line does."""
    if amount == "time" and job.timeout:
        return job.where("limits", slurm_rules.key_of_timeout(job))
    if amount == "nodes":
        return job.where("resources", "instance_count")
    if amount == "tasks" and job.distribution is not None:
        return job.where("distribution", "process_count_per_instance")
    if amount == "gpus":
        return gpu.where or setting.where("gpus")
    keys = {"time": "slurm.time", "tasks": "slurm.cpus_per_task", "memory": "slurm.memory"}
    return setting.where(keys[amount]) if amount in keys else None
