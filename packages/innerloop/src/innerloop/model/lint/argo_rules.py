"""What of a job Argo Workflows cannot be told, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...util.errors import UserError
from .. import k8s_quantity
from ..experiment import Experiment
from ..jobs.job import Input, Job
from ..jobs.overrides import override
from ..jobs.pipeline import Read, Step, pipeline_of, swept
from ..settings import argo_settings
from ..settings.argo_settings import ArgoSetting
from ..settings.orchestrators import ARGO
from ..settings.schedules import Schedule
from ..settings.settings import Settings
from .finding import Finding, finding_of

CODE = "argo"


def check_argo(job: Job, settings: Settings, argo: ArgoSetting, read: Read) -> Iterator[Finding]:
    """`settings` and `argo` are the experiment's."""
    yield from _gpus(settings, argo)
    try:
        jobs = _jobs(job, read)
    except UserError as mistake:
        yield finding_of(mistake, CODE)
        return
    used: dict[str, Input] = {}
    for one, taken in jobs:
        used.update(one.inputs)
        yield from _names(one)
        yield from _data(one, settings, argo, taken)
        yield from _nodes(one)
        if k8s_quantity.of_docker(one.shm_size) is None and "${{" not in one.shm_size:
            what = f"resources.shm_size is {one.shm_size}, which is no size"
            yield Finding(one.where("resources", "shm_size"), what, "Write shm_size: 2g", CODE)
    known = {*used, *(one.origin for one in used.values()), *job.inputs}
    for name in argo.data:
        if name not in known and argo.positions.get(f"data.{name}", "").find("pyproject.toml") < 0:
            what = f'argo.data: the job has no input "{name}"'
            hint = f"Its inputs: {', '.join(sorted(job.inputs)) or 'none'}"
            yield Finding(argo.where(f"data.{name}"), what, hint, CODE, "hint")


def of_experiment(experiment: Experiment, job: Job | None, read: Read) -> Iterator[Finding]:
    """What is wrong with `[argo]` in itself, and beside the job; nothing where nobody speaks of a
    cluster."""
    if not experiment.settings.argo:
        return
    try:
        argo = argo_settings.read(experiment.settings.argo)
    except UserError as mistake:
        yield finding_of(mistake, CODE)
        return
    # The workspace may say something for all, and this one may be none for a cluster.
    if job is not None and any(one.at == ("argo",) for one in experiment.settings.argo):
        yield from check_argo(job, experiment.settings, argo, read)


def of_schedule(
    experiment: Experiment, job: Job | None, schedule: Schedule | None, read: Read
) -> Iterator[Finding]:
    """What keeps an experiment with a `[schedule]` from being started in a cluster."""
    if job is None or schedule is None or ARGO not in schedule.orchestrators:
        return
    if not experiment.settings.registry:
        what = "a cluster takes images from a registry, and there is none"
        hint = 'Set registry = "ghcr.io/owner/name" under [tool.innerloop] in pyproject.toml'
        yield Finding(schedule.where("orchestrators"), what, hint, CODE)
    for name, one in job.inputs.items():
        if one.kind == "literal" and "{{" in one.literal_text:
            what = f'the input "{name}" holds {{{{, which Argo would fill in'
            yield Finding(job.where("inputs", name), what, "Write it in the program", CODE)
    try:
        argo = argo_settings.read(experiment.settings.argo)
        changed = override(job, schedule.sets)
    except UserError as mistake:
        yield finding_of(mistake, CODE)
        return
    yield from check_argo(changed, experiment.settings, argo, read)


def _gpus(settings: Settings, argo: ArgoSetting) -> Iterator[Finding]:
    if settings.gpu == "none" and argo.gpus:
        what = f'argo.gpus is {argo.gpus}, and gpu = "none"'
        yield Finding(argo.where("gpus"), what, "Take one of them away", CODE, "hint")


def _jobs(job: Job, read: Read) -> list[tuple[Job, frozenset[str]]]:
    """Each job that has a command, and its inputs that an earlier step makes."""
    if job.kind == "sweep":
        return [(swept(job, read), frozenset())]
    if job.kind != "pipeline":
        return [(job, frozenset())]
    found = []
    for step in pipeline_of(job, read).steps:
        if step.problem is not None:
            raise step.problem
        if step.job.kind == "sweep":
            raise no_sweep_in_a_pipeline(job, step)
        found.append((step.job, frozenset(step.takes)))
    return found


def _names(job: Job) -> Iterator[Finding]:
    """Parameters of a workflow, variables of a pod. Source: Argo Workflows' validation of parameters,
    Kubernetes' EnvVar."""
    for name in job.inputs:
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            what = f'an input of a workflow cannot be called "{name}"'
            hint = f'Call it "{re.sub(r"[^A-Za-z0-9_]", "_", name)}"'
            yield Finding(job.where("inputs", name), what, hint, CODE)
    for name in job.environment_variables:
        if not re.fullmatch(r"[-._A-Za-z][-._A-Za-z0-9]*", name):
            what = f'a variable of a pod cannot be called "{name}"'
            hint = "Write letters, digits and _, a letter first"
            yield Finding(job.where("environment_variables", name), what, hint, CODE)
    for name, one in job.search_space.items():
        if "{{" in str(one):
            what = f'the search space of "{name}" holds {{{{, which Argo would fill in'
            yield Finding(job.where("search_space", name), what, "Write it in the program", CODE)


def _data(
    job: Job, settings: Settings, argo: ArgoSetting, taken: frozenset[str]
) -> Iterator[Finding]:
    filled = {name for name, one in settings.data.items() if one.create}
    for name, one in job.inputs.items():
        if one.kind != "data" or not one.has_value or one.passes_uri or name in taken:
            continue
        if not {name, one.origin} & {*argo.data} and name not in filled and not _is_web(one):
            yield finding_of(nobody_says(job, name), CODE)


def nobody_says(job: Job, name: str) -> UserError:
    """Where the data of an input are in the cluster."""
    one = job.inputs[name]
    return UserError(
        f'nobody says where the data of input "{name}" ({one.path}) are in the cluster',
        where=job.where("inputs", name),
        hint=f"Write [argo.data.{one.origin or name}] in innerloop.toml with claim, nfs, host_path, "
        "s3, gcs, azure or http",
    )


def no_sweep_in_a_pipeline(job: Job, step: Step) -> UserError:
    return UserError(
        f'the step "{step.name}" is a sweep, whose best trial hands its outputs on: Argo does not '
        "compare trials",
        where=job.text.where("jobs", step.name.partition(".")[0]),
        hint="Submit the sweep by itself, or the pipeline to Azure ML",
    )


def _is_web(one: Input) -> bool:
    return one.type == "uri_file" and (one.path or "").startswith(("https://", "http://"))


def _nodes(job: Job) -> Iterator[Finding]:
    distribution = job.distribution
    if distribution is None or job.instance_count == 1:
        return
    where = job.where("distribution", "type")
    if distribution.type in ("mpi", "ray"):
        what = f"distribution.type {distribution.type} over {job.instance_count} instances"
        hint = "Argo's pods find each other by name alone: use pytorch, or one instance"
        yield Finding(where, f"{what} needs an operator of its own in the cluster", hint, CODE)
    if distribution.type == "tensorflow" and distribution.parameter_server_count:
        what = "parameter servers never end, and Argo waits for every pod"
        hint = "Set parameter_server_count: 0 (MultiWorkerMirroredStrategy), or use Azure ML"
        yield Finding(where, what, hint, CODE)
