"""What Argo Workflows cannot do with a job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...util.errors import UserError
from .. import k8s_quantity
from ..asset_files import Find, nothing
from ..experiment import Experiment
from ..jobs.job import Input, Job
from ..jobs.overrides import override
from ..jobs.pipeline import Read, Step, pipeline_of, swept
from ..settings import argo_settings
from ..settings.argo_settings import ArgoSetting
from ..settings.orchestrators import ARGO
from ..settings.schedules import Schedule
from ..settings.settings import Settings
from .finding import INFO, Finding, finding_of


def check_argo(
    job: Job, settings: Settings, argo: ArgoSetting, read: Read, find: Find = nothing
) -> Iterator[Finding]:
    """`settings` and `argo` are the experiment's."""
    yield from _gpus(settings, argo)
    try:
        jobs = _jobs(job, read, find)
    except UserError as error:
        yield finding_of(error)
        return
    all_inputs: dict[str, Input] = {}
    for one, from_steps in jobs:
        all_inputs.update(one.inputs)
        yield from _names(one)
        yield from _data(one, settings, argo, from_steps)
        yield from _nodes(one)
        if k8s_quantity.of_docker(one.shm_size) is None and "${{" not in one.shm_size:
            message = f"resources.shm_size is {one.shm_size}, which is not a size"
            position = one.where("resources", "shm_size")
            yield Finding(position, message, "Write shm_size: 2g", "shm-size-invalid")
    known = {*all_inputs, *(one.origin for one in all_inputs.values()), *job.inputs}
    for name in argo.data:
        # The workspace's [argo.data] serves all experiments: not each has every input.
        if name not in known and argo.where(f"data.{name}").file != "pyproject.toml":
            message = f'argo.data: the job has no input "{name}"'
            hint = f"Its inputs: {', '.join(sorted(job.inputs)) or 'none'}"
            yield Finding(argo.where(f"data.{name}"), message, hint, "input-undeclared", INFO)


def of_experiment(
    experiment: Experiment, job: Job | None, read: Read, find: Find = nothing
) -> Iterator[Finding]:
    """Problems of `[argo]` in itself and together with the job; none without `[argo]`."""
    if not experiment.settings.argo:
        return
    try:
        argo = argo_settings.read(experiment.settings.argo)
    except UserError as error:
        yield finding_of(error)
        return
    # With the workspace's settings alone, the experiment may not be meant for a cluster.
    if job is not None and any(one.at == ("argo",) for one in experiment.settings.argo):
        yield from check_argo(job, experiment.settings, argo, read, find)


def of_schedule(
    experiment: Experiment,
    job: Job | None,
    schedule: Schedule | None,
    read: Read,
    find: Find = nothing,
) -> Iterator[Finding]:
    """What prevents starting an experiment with a `[schedule]` in a cluster."""
    if job is None or schedule is None or ARGO not in schedule.orchestrators:
        return
    if not experiment.settings.registry:
        message = "a cluster pulls images from a registry, and no registry is set"
        hint = 'Set registry = "ghcr.io/owner/name" under [tool.innerloop] in pyproject.toml'
        yield Finding(schedule.where("orchestrators"), message, hint, "registry-missing")
    for name, input_ in job.inputs.items():
        if input_.kind == "literal" and "{{" in input_.literal_text:
            message = f'the input "{name}" contains {{{{, which Argo would expand'
            hint = "Write the value in the program"
            yield Finding(job.where("inputs", name), message, hint, "argo-template")
    try:
        argo = argo_settings.read(experiment.settings.argo)
        changed = override(job, schedule.sets)
    except UserError as error:
        yield finding_of(error)
        return
    yield from check_argo(changed, experiment.settings, argo, read, find)


def _gpus(settings: Settings, argo: ArgoSetting) -> Iterator[Finding]:
    if settings.gpu.kind == "none" and argo.gpus:
        message = f'argo.gpus is {argo.gpus}, and gpu = "none"'
        yield Finding(argo.where("gpus"), message, "Remove one of them", "setting-conflict", INFO)


def _jobs(job: Job, read: Read, find: Find) -> list[tuple[Job, frozenset[str]]]:
    """Each job that has a command, and the inputs that it takes from earlier steps."""
    if job.kind == "sweep":
        return [(swept(job, read, find), frozenset())]
    if job.kind != "pipeline":
        return [(job, frozenset())]
    jobs = []
    for step in pipeline_of(job, read, find).steps:
        if step.problem is not None:
            raise step.problem
        if step.job.kind == "sweep":
            raise no_sweep_in_a_pipeline(job, step)
        jobs.append((step.job, frozenset(step.takes)))
    return jobs


def _names(job: Job) -> Iterator[Finding]:
    """Parameters of a workflow, variables of a pod.

    Source: Argo Workflows' validation of parameters, Kubernetes' EnvVar.
    """
    for name in job.inputs:
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            message = f'a workflow cannot have an input called "{name}"'
            hint = f'Call it "{re.sub(r"[^A-Za-z0-9_]", "_", name)}"'
            yield Finding(job.where("inputs", name), message, hint, "name-refused")
    for name in job.environment_variables:
        if not re.fullmatch(r"[-._A-Za-z][-._A-Za-z0-9]*", name):
            message = f'a pod cannot have a variable called "{name}"'
            hint = "Write letters, digits and _, a letter first"
            position = job.where("environment_variables", name)
            yield Finding(position, message, hint, "name-refused")
    for name, distribution in job.search_space.items():
        if "{{" in str(distribution):
            message = f'the search space of "{name}" contains {{{{, which Argo would expand'
            hint = "Write the value in the program"
            yield Finding(job.where("search_space", name), message, hint, "argo-template")


def _data(
    job: Job, settings: Settings, argo: ArgoSetting, from_steps: frozenset[str]
) -> Iterator[Finding]:
    created = {name for name, setting in settings.data.items() if setting.create}
    for name, input_ in job.inputs.items():
        if input_.kind != "data" or not input_.has_value or input_.passes_uri or name in from_steps:
            continue
        if not {name, input_.origin} & {*argo.data} and name not in created and not _is_web(input_):
            yield finding_of(data_location_missing(job, name))


def data_location_missing(job: Job, name: str) -> UserError:
    """Nothing says where the data of an input are in the cluster."""
    input_ = job.inputs[name]
    return UserError(
        f'the location of the data of input "{name}" ({input_.path}) in the cluster is unknown',
        code="data-location-missing",
        where=job.where("inputs", name),
        hint=f"Write [argo.data.{input_.origin or name}] in innerloop.toml with claim, nfs, "
        "host_path, s3, gcs, azure or http",
    )


def no_sweep_in_a_pipeline(job: Job, step: Step) -> UserError:
    return UserError(
        f'the step "{step.name}" is a sweep that passes on its best trial\'s outputs, and Argo does '
        "not compare trials",
        code="sweep-in-pipeline",
        where=job.text.where("jobs", step.name.partition(".")[0]),
        hint="Submit the sweep by itself, or the pipeline to Azure ML",
    )


def _is_web(input_: Input) -> bool:
    return input_.type == "uri_file" and (input_.path or "").startswith(("https://", "http://"))


def _nodes(job: Job) -> Iterator[Finding]:
    distribution = job.distribution
    if distribution is None or job.instance_count == 1:
        return
    position = job.where("distribution", "type")
    if distribution.type in ("mpi", "ray"):
        message = (
            f"distribution.type {distribution.type} over {job.instance_count} instances needs its "
            "own operator in the cluster"
        )
        hint = "Argo's pods find each other by name only: use pytorch, or one instance"
        yield Finding(position, message, hint, "distribution-unsupported")
    if distribution.type == "tensorflow" and distribution.parameter_server_count:
        message = "parameter servers never end, and Argo waits for every pod"
        hint = "Set parameter_server_count: 0 (MultiWorkerMirroredStrategy), or use Azure ML"
        yield Finding(position, message, hint, "distribution-unsupported")
