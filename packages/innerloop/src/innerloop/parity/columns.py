"""The facts of each backend for an experiment's job, read from what would really be used.

That is the requests of the backends, and the launch and dev container files on disk.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import local
from ..argo_manifest.parse import Pod
from ..argo_manifest.resource_names import of_value
from ..docker import engine
from ..local import apptainer, docker, in_container, venv
from ..model import cpu_lock
from ..model.dockerfiles import start_files
from ..model.dockerfiles.dockerfile import Dockerfile
from ..model.env_file import NAME
from ..model.experiment import Experiment
from ..model.gpu import NO_GPU
from ..model.jobs.job import Job
from ..model.paths import code_root
from ..model.run import Backend, Request, Run
from ..model.run_secrets import secrets_of_job
from ..model.settings.orchestrators import ARGO
from ..model.workspace import Workspace
from ..remote import base
from ..remote.azureml import job_request
from ..runner import env_file, execute, pipeline_plan, sweep_executor
from ..sync import tool_files
from ..sync.render import devcontainer_json, launch_json
from ..sync.render.debug_tasks import FOLDER
from ..sync.render.generated_files import Specification
from ..util import files
from ..util.errors import UserError
from ..util.jsonc import ParseError, parse
from ..workspace import cpu_locks, loader
from . import argo_column, gpu_row, own_changes, sweep_rows, workflow_column
from .facts import (
    ENV_FILE,
    LOCK,
    Parity,
    ParityColumn,
    ParityFact,
    join_facts,
    normalize_command,
    normalize_paths,
)
from .task_starts import TaskStart, tasks_of

REFERENCE = "azureml"
# What the service gives a container when the job file is silent. Source: CLI (v2) command job YAML
# schema, resources.shm_size.
CLOUD_USER = "root"
VARIABLES = ("AZUREML_PARAMETER_", "AZURE_ML_INPUT_", "AZURE_ML_OUTPUT_")


def parity_of_job(workspace: Workspace, experiment: Experiment, job: Job) -> Iterator[Parity]:
    """One for a command job, for a sweep's first trial, or for each step of a pipeline."""

    def runs(job: Job) -> Iterator[tuple[str, Run]]:
        return _runs(workspace, experiment, job)

    is_scheduled = job.name == experiment.paths.job
    started = (
        list(workflow_column.scheduled_starts(workspace, experiment, runs)) if is_scheduled else []
    )
    pods = argo_column.planned_pods(workspace, experiment, job, _trial(workspace, job))
    by_time = _by_time(workspace, experiment, runs) if is_scheduled else {}
    tasks = list(_tasks(workspace, experiment)) if is_scheduled else []
    for title, run in runs(job):
        pod = argo_column.find_pod(pods, _step_of(experiment, title))
        orchestrators = [start.column(title, _azureml) for start in started]
        cron = [by_time[title]] if title in by_time else []
        redaction = secrets_of_job(run.job, os.environ)
        by_task = [
            column
            for task in tasks
            if (column := _of_task(workspace, experiment, task, title, runs)) is not None
        ]
        others = [_argo(run, pod), *cron, *orchestrators, *by_task]
        parity = parity_of(run, title, others)
        if job.kind == "sweep":
            parity = _with_sweep(job, parity)
        yield parity.masked(redaction)


def _with_sweep(job: Job, parity: Parity) -> Parity:
    columns = sweep_rows.with_sweep(
        job, parity.columns, reference=REFERENCE, local=local.BACKENDS, drawn_before=(ARGO,)
    )
    return replace(parity, columns=columns)


def _tasks(workspace: Workspace, experiment: Experiment) -> Iterator[TaskStart]:
    try:
        value = _read_json(Path(workspace.root), ".vscode/tasks.json")
    except UserError:
        return
    yield from tasks_of(value, experiment)


def _of_task(
    workspace: Workspace,
    experiment: Experiment,
    task: TaskStart,
    title: str,
    runs: Callable[[Job], Iterator[tuple[str, Run]]],
) -> ParityColumn | None:
    """The column of a task that starts this run in its own way; None if it does not."""
    name = f"task {task.label}"
    if task.command:
        return ParityColumn(name, {"command": ParityFact(normalize_command(task.command))})
    try:
        job = loader.open_job(workspace, experiment, None, task.sets)
        started = dict(runs(job)).get(title)
    except UserError as error:
        return ParityColumn(name, absent=error.message())
    if started is None:
        return None
    return _with_variables(replace(_azureml(started), backend=name), task.env)


def _step_of(experiment: Experiment, title: str) -> str:
    return title.removeprefix(experiment.name).removeprefix(": ")


def _by_time(
    workspace: Workspace, experiment: Experiment, runs: Callable[[Job], Iterator[tuple[str, Run]]]
) -> dict[str, ParityColumn]:
    """The columns of what the CronWorkflow starts, by the titles of the runs.

    The schedule explains what it overrides.
    """
    if experiment.settings.schedule is None:
        return {}
    schedule = loader.open_schedule(workspace, experiment)
    if ARGO not in schedule.orchestrators:
        return {}
    job = loader.open_job(workspace, experiment, None, schedule.sets)
    pods = argo_column.generated_pods(workspace, experiment, _trial(workspace, job))
    why = f"[schedule.set] in innerloop.toml: {', '.join(schedule.sets)}"
    columns = {}
    for title, run in runs(job):
        column = _argo(run, argo_column.find_pod(pods, _step_of(experiment, title)), "argo by time")
        cloud = _azureml(run).facts
        facts = {
            row: replace(fact, why=why) if fact.value == cloud[row].value else fact
            for row, fact in column.facts.items()
        }
        columns[title] = replace(column, facts=facts)
    return columns


def _runs(workspace: Workspace, experiment: Experiment, job: Job) -> Iterator[tuple[str, Run]]:
    if job.kind == "pipeline":
        planned = pipeline_plan.plan(workspace, experiment, job, dry=True)
        for step in planned.steps:
            if step.problem is None:
                run = pipeline_plan.run_of(planned, step, dry=True)
                yield f"{experiment.name}: {step.name}", run
        return
    if job.kind == "sweep":
        job, _ = sweep_executor.one_trial(pipeline_plan.swept_job(workspace, job))
    yield experiment.name, execute.plan(workspace, experiment, job, dry=True)


def _trial(workspace: Workspace, job: Job) -> Mapping[str, str]:
    """The parameters of a sweep's first trial in a cluster."""
    if job.kind != "sweep":
        return {}
    _, values = sweep_executor.one_trial(pipeline_plan.swept_job(workspace, job))
    return {**{of_value(name): value for name, value in values.items()}, "trial": "trial-1"}


def parity_of(run: Run, title: str, started: Sequence[ParityColumn] = ()) -> Parity:
    """The facts of every backend for this run.

    `started` are those of the cluster and of the orchestrators. Nothing is built, fetched or
    started.
    """
    dev = _dev_container(run.workspace, run.experiment)
    columns: tuple[ParityColumn, ...] = (
        _azureml(run),
        _docker(run),
        _apptainer(run),
        _venv(run),
        _in_container(run, dev),
        _f5(run, dev),
        *_own_configurations(run, dev),
        *started,
    )
    columns = gpu_row.with_gpu(run, dev, _with_env_file(run, _with_lock(run, columns)))
    if run.job.docker_args:
        columns = (_with_options(columns[0], run), *(_without_options(c, run) for c in columns[1:]))
    if any("changes" in column.facts for column in columns):
        none = {"changes": ParityFact("none")}
        columns = (replace(columns[0], facts={**columns[0].facts, **none}), *columns[1:])
    if run.job.instance_count != 1:
        columns = (_with_nodes(columns[0], run), *map(_on_one_node, columns[1:]))
    known = {column.backend for column in columns} | {ARGO}
    others = [
        _of_request(run, backend)
        for backend in base.every(Path(run.workspace.root))
        if backend.name not in known
    ]
    return Parity(title, REFERENCE, (*columns, *others))


def _with_lock(run: Run, columns: tuple[ParityColumn, ...]) -> tuple[ParityColumn, ...]:
    """The columns with a row of the lock that is installed, if there is one for the CPU.

    A service and a cluster build the Dockerfile as it is, with the full lock.
    """
    full = run.experiment.paths.lock
    is_there = bool(full) and Path(run.workspace.root, cpu_lock.name_of(full)).is_file()
    if not is_there or not run.environment.is_own:
        return columns
    cpu = cpu_locks.lock_for(run.workspace, run.experiment)
    own = ParityFact(cpu.path or full, why=cpu.note)
    image = own if cpu.dockerfile_of(run.experiment) is not None else ParityFact(full)
    facts = {venv.name: own, docker.name: image, apptainer.name: image}
    others = ParityFact(full)
    return tuple(
        (
            column
            if column.absent
            else replace(column, facts={**column.facts, LOCK: facts.get(column.backend, others)})
        )
        for column in columns
    )


def _with_env_file(run: Run, columns: tuple[ParityColumn, ...]) -> tuple[ParityColumn, ...]:
    """The columns with a row of what gives variables from a file, if there is one.

    The backends of this machine read `.env`, as the debugger does where its configuration names no
    `envFile`. Nothing else knows it.
    """
    try:
        file = env_file.read(Path(run.workspace.root))
    except UserError:
        return columns  # no run starts with such a file
    names = sorted(set(file.variables) - set(run.job.environment_variables))
    own = _env_file_of_f5(run)
    if not names and own is None:
        return columns
    why = f"{NAME} stays on this machine: what the job needs everywhere is in environment_variables"
    read = ParityFact(f"{NAME}: {', '.join(names)}" if names else "none", why=why)
    # That it was changed is a difference of the row of variables.
    f5 = read if own is None else ParityFact(own, why="envFile in .vscode/launch.json")
    facts = {**dict.fromkeys(local.BACKENDS, read), "F5": f5}
    return tuple(
        (
            column
            if column.absent
            else replace(
                column,
                facts={**column.facts, ENV_FILE: facts.get(column.backend, ParityFact("none"))},
            )
        )
        for column in columns
    )


def _env_file_of_f5(run: Run) -> str | None:
    """The `envFile` that a person wrote into the launch configuration; None for the usual one."""
    try:
        generated = _launch_configuration(run)
        found = _configuration(run, str(generated["name"])) if generated else {}
    except UserError:
        return None
    usual = f"{FOLDER}/{NAME}"
    text = str(found.get("envFile", usual)) or "no file"
    return None if text == usual else text


def _with_nodes(column: ParityColumn, run: Run) -> ParityColumn:
    return replace(column, facts={**column.facts, "nodes": ParityFact(str(run.job.instance_count))})


def _with_options(column: ParityColumn, run: Run) -> ParityColumn:
    """The column of a backend that passes docker_args to the job's container."""
    if column.absent:
        return column
    return replace(column, facts={**column.facts, "options": ParityFact(run.job.docker_args)})


def _without_options(column: ParityColumn, run: Run) -> ParityColumn:
    if column.absent or column.backend == docker.name or "environment" not in column.facts:
        return _with_options(column, run)
    without = (apptainer.name, venv.name, in_container.name, ARGO)
    if column.backend not in without and column.backend[:2] != "F5":
        return _with_options(column, run)  # what an orchestrator or a task starts on Azure ML
    why = "docker_args are of a container that is made for the job alone"
    return replace(column, facts={**column.facts, "options": ParityFact("none", why=why)})


def _on_one_node(column: ParityColumn) -> ParityColumn:
    """The column of a backend of this machine, which runs the first node's processes only."""
    if column.absent:
        return column
    why = "this machine is one node: it runs the processes of the first"
    return replace(column, facts={**column.facts, "nodes": ParityFact("1", why=why)})


def _of_request(run: Run, backend: Backend) -> ParityColumn:
    """The column of a backend about which only its request is known."""
    try:
        request = backend.plan(run)
    except UserError as error:
        return ParityColumn(backend.name, absent=error.message())
    names = {
        **_paths(request.env),
        request.cwd: _home(run),
        run.workspace.root: "<workspace>",
    }
    container = request.container
    why = f"decided by the backend {backend.name}"
    mounts = [f"{mount.source} -> {mount.target}" for mount in request.mounts]
    return ParityColumn(
        backend.name,
        {
            "command": _command(request.command, names),
            "cwd": ParityFact(normalize_paths(request.cwd, names), shown=request.cwd),
            "variables": _variables(run, request.env, names),
            **_environment_of(run, request, why),
            "user": ParityFact((container and container.user) or "you", why=why),
            "shm": ParityFact((container and container.shm_size) or "the machine's", why=why),
            "mounts": ParityFact(join_facts(mounts), why=why),
        },
    )


def _environment_of(run: Run, request: Request, why: str) -> dict[str, ParityFact]:
    """The environment of a request: a machine elsewhere builds the same image, or takes the lock."""
    image = run.environment.image
    if request.compute and image is not None and request.image == image.name:
        cloud = _cloud_environment(run)
        return {row: ParityFact(fact.value, shown=image.name) for row, fact in cloud.items()}
    if request.compute and request.container is None:
        there = f"no container: the same locked packages on {request.compute}'s own system"
        lock = ParityFact("the locked packages alone", why=there)
        return {"environment": lock, "image": ParityFact("none", why=there)}
    fact = ParityFact(request.image or "none", why=why)
    return {"environment": fact, "image": fact}


def _azureml(run: Run) -> ParityColumn:
    request = job_request.plan(run)
    names = {f"$AZURE_ML_INPUT_{name}": _input(name) for name in run.job.inputs}
    names |= {f"$AZURE_ML_OUTPUT_{name}": _output(name) for name in run.job.outputs}
    # The paths are known only when the job runs, but the job has these variables.
    env = dict(request.env)
    env |= {f"AZURE_ML_INPUT_{name}": f"$AZURE_ML_INPUT_{name}" for name in run.data}
    env |= {f"AZURE_ML_OUTPUT_{name}": f"$AZURE_ML_OUTPUT_{name}" for name in run.job.outputs}
    return ParityColumn(
        "azureml",
        {
            "command": _command(request.command, names),
            "cwd": ParityFact(_home(run), shown="the snapshot's root"),
            "variables": _variables(run, env, names),
            **_cloud_environment(run),
            "user": ParityFact(CLOUD_USER),
            "shm": ParityFact(_size(run.job.shm_size)),
            "mounts": ParityFact(
                _cloud_mounts(run), shown="the snapshot, and each input by its mode"
            ),
        },
    )


def _docker(run: Run) -> ParityColumn:
    image = run.environment.image
    request = docker.request(
        run,
        image=image.name if image else "none",
        engine=engine.ask("innerloop"),  # who root of a container is depends on it
        gpu=NO_GPU,
        owner=docker.owner(),
        why="",
    )
    names = {
        **_paths(request.env),
        request.cwd: _home(run),
        posixpath.join("/workspaces", run.workspace.name): "<workspace>",
    }
    assert request.container is not None
    user = request.container.user or CLOUD_USER
    return ParityColumn(
        "docker",
        {
            "command": _command(request.command, names),
            "cwd": ParityFact(normalize_paths(request.cwd, names), shown=request.cwd),
            "variables": _variables(run, request.env, names),
            **_local_environment(run),
            "user": ParityFact(
                CLOUD_USER if user in ("root", "0:0") else f"you ({user})",
                why="files that it writes here belong to you",
            ),
            "shm": ParityFact(_size(request.container.shm_size)),
            "mounts": _mounts(run, request),
        },
    )


def _apptainer(run: Run) -> ParityColumn:
    """The column also of a machine without the program: its request is the same everywhere."""
    request = apptainer.describe(run)
    names = {
        **_paths(request.env),
        request.cwd: _home(run),
        posixpath.join("/workspaces", run.workspace.name): "<workspace>",
    }
    own = "Apptainer starts a process of this machine"
    return ParityColumn(
        apptainer.name,
        {
            "command": _command(request.command, names),
            "cwd": ParityFact(normalize_paths(request.cwd, names), shown=request.cwd),
            "variables": _variables(run, request.env, names),
            **_local_environment(run),
            "user": ParityFact("you", why="files that it writes here belong to you"),
            "shm": ParityFact("this machine's", why=own),
            "mounts": _mounts(run, request),
        },
    )


def _argo(run: Run, pod: Pod | UserError, backend: str = "argo") -> ParityColumn:
    if isinstance(pod, UserError):
        return ParityColumn(backend, absent=pod.message())
    names = {**_paths(pod.env), pod.cwd: _home(run)}
    # Whether the pod has the environment and the code of this very job.
    registry = run.workspace.settings.registry
    is_own = pod.image == argo_column.reference(registry, run.experiment, run.job)
    cloud = _cloud_environment(run)
    facts = {row: ParityFact(item.value if is_own else pod.image) for row, item in cloud.items()}
    parts, why = argo_column.mount_facts(run, pod, has_code=is_own and run.code is not None)
    user = run.experiment.dockerfile.user_of(run.experiment.dockerfile.last) or CLOUD_USER
    return ParityColumn(
        backend,
        {
            "command": _command(pod.command, names),
            "cwd": ParityFact(normalize_paths(pod.cwd, names), shown=pod.cwd),
            "variables": _variables(run, pod.env, names),
            **facts,
            "user": ParityFact(user, why="a pod runs as the image's own user"),
            "shm": ParityFact(_size(pod.shm)),
            "mounts": ParityFact(
                join_facts(parts),
                why="; ".join(why),
                shown=join_facts([f"{item.source} -> {item.target}" for item in pod.mounts]),
            ),
        },
    )


def _cloud_environment(run: Run) -> dict[str, ParityFact]:
    # What Azure ML keeps under a name is known by that name alone.
    if run.environment.is_own and not run.environment.file_note:
        return {"environment": ParityFact(_digest(run)), "image": ParityFact(_last_stage(run))}
    named = job_request.describe_environment(run.job.environment, run.job)
    digest = run.environment.digest if run.job.environment.kind in ("build", "conda") else ""
    return {"environment": ParityFact(digest[:12] or named), "image": ParityFact(named)}


def _local_environment(run: Run) -> dict[str, ParityFact]:
    """The job's environment on this machine, normalized if it is the same as in the cloud."""
    cloud = _cloud_environment(run)
    environment = run.environment
    if environment.image is None:
        why = environment.missing.message() if environment.missing else ""
        return {row: ParityFact("nothing on this machine", why=why) for row in cloud}
    if run.job.environment.kind != "registered":
        return {row: ParityFact(f.value, shown=environment.image.name) for row, f in cloud.items()}
    if note := environment.file_note:  # the same, as far as the file is what is registered
        shown = environment.image.name
        return {row: ParityFact(f.value, why=note, shown=shown) for row, f in cloud.items()}
    why = "innerloop.toml names it for the environment that only Azure ML has"
    return {row: ParityFact(environment.image.name, why=why) for row in cloud}


def _mounts(run: Run, request: Request) -> ParityFact:
    parts, why = [], []
    for mount in request.mounts:
        name = next((n for n, path in run.data.items() if _same(path, mount.source)), None)
        if name is not None:
            parts.append(f"{_input(name)} {'read' if mount.read_only else 'write'}")
            if not mount.read_only and run.job.inputs[name].mode in (None, "ro_mount"):
                why.append(f"create = true in innerloop.toml lets the program fill {name}")
        elif mount.target.startswith(posixpath.join(request.cwd, "outputs")):
            parts.append("./outputs")
        elif run.code is not None:
            parts.append("code")
    shown = join_facts([f"{mount.source} -> {mount.target}" for mount in request.mounts])
    return ParityFact(join_facts(parts), why="; ".join(why), shown=shown)


def _cloud_mounts(run: Run) -> str:
    parts = ["./outputs"]
    if run.job.code is not None:
        parts.append("code")
    for name in run.data:
        mode = run.job.inputs[name].mode or "ro_mount"
        parts.append(f"{_input(name)} {'write' if mode in ('rw_mount', 'download') else 'read'}")
    return join_facts(parts)


def _venv(run: Run) -> ParityColumn:
    try:
        request = venv.plan(run)
    except UserError as error:
        return ParityColumn(venv.name, absent=error.message())
    here = "no container: the same locked packages on this machine's own system"
    return _of_this_file_system(
        run,
        request,
        {
            "environment": ParityFact("the locked packages alone", why=here),
            "image": ParityFact("none", why=here, shown=request.env.get("VIRTUAL_ENV", "")),
            "user": ParityFact("you", why="files that it writes here belong to you"),
            "shm": ParityFact("this machine's", why=here),
            "mounts": ParityFact("this machine's files", why=here),
        },
    )


def _in_container(run: Run, dev: Mapping[str, Any] | UserError) -> ParityColumn:
    if isinstance(dev, UserError):
        return ParityColumn(in_container.name, absent=dev.message())
    column = _of_this_file_system(run, in_container.request(run), _dev_facts(run, dev))
    added = own_changes.variables(dev, _generated_dev_container(run, dev))
    return _with_variables(column, added)


def _of_this_file_system(
    run: Run, request: Request, facts: Mapping[str, ParityFact]
) -> ParityColumn:
    names = {
        **_paths(request.env),
        request.cwd: _home(run),
        run.workspace.root: "<workspace>",
    }
    # Which GPUs a program sees has a row of its own.
    own = {name: text for name, text in request.env.items() if name not in request.gpu.env}
    return ParityColumn(
        request.backend,
        {
            "command": _command(request.command, names),
            "cwd": ParityFact(
                normalize_paths(request.cwd, names), shown=f"{request.cwd}, a view of the code"
            ),
            "variables": _variables(run, own, names),
            **facts,
        },
    )


def _dev_facts(run: Run, dev: Mapping[str, Any]) -> dict[str, ParityFact]:
    """The environment of the experiment's dev container, from its devcontainer.json on disk."""
    found = dev.get("build")
    build: Mapping[str, Any] = found if isinstance(found, dict) else {}
    stage = str(build.get("target") or "") or _last_name(run.experiment.dockerfile)
    paths = run.experiment.paths
    named = posixpath.normpath(
        posixpath.join(
            posixpath.dirname(devcontainer_json.path_of(run.experiment)),
            str(build.get("dockerfile") or ""),
        )
    )
    is_same_image = paths.source == "image" and dev.get("image") == paths.environment
    ours = is_same_image if paths.source == "image" else named == paths.dockerfile
    dockerfile = run.experiment.dockerfile
    dev_stage = dockerfile.stage(stage) or dockerfile.last
    job_only = own_changes.of_job_stage(dockerfile, dev_stage)
    dev_only = own_changes.of_dev_stage(dockerfile, dev_stage) if ours else []
    generated = _generated_dev_container(run, dev)
    changed = own_changes.environment(dev, generated)
    same_base = _same_base(dockerfile, stage) and not (job_only or dev_only or changed)
    beside = [f"the job's stage alone has {part}" for part in job_only] + changed
    beside += [f"the development stage alone has {part}" for part in dev_only]
    suffix = "".join(f"; {part}" for part in beside)
    why = "the job's own packages, and on top of them the development tools" if same_base else ""
    users = ("remoteUser", "containerUser")
    is_generated_user = all(dev.get(key) == generated.get(key) for key in users)
    options = [str(item) for item in dev.get("runArgs") or ()]
    shm = _option(options, "--shm-size")
    environment = ParityFact(_digest(run) if ours else named or "another image")
    starts = list(start_files.found_in(run.experiment.dockerfile)) if ours else []
    if starts:
        start = starts[0]
        environment = ParityFact(
            f"{environment.value}, and what {start.name} sets",
            why=f"{paths.dockerfile}:{start.line}: only the dev container's shells read that file",
        )
    facts = {
        "environment": environment,
        "image": ParityFact(
            (f"its Dockerfile, stage {stage}" if ours else named or str(dev.get("image"))) + suffix,
            why=why if ours else "",
        ),
        "user": ParityFact(
            str(
                dev.get("remoteUser")
                or dev.get("containerUser")
                or (ours and dockerfile.user_of(dev_stage))
                or CLOUD_USER
            ),
            why="files that you create there belong to you" if is_generated_user else "",
        ),
        "shm": ParityFact(_size(shm) if shm else "64m"),
        "mounts": ParityFact(
            "the whole workspace", why="for development; a job sees only its own files"
        ),
    }
    if not paths.devcontainer:
        return facts
    own = f"{paths.devcontainer} is the dev container: nothing of it is generated"
    return {name: fact if fact.why else replace(fact, why=own) for name, fact in facts.items()}


def _launch_configuration(run: Run) -> Mapping[str, Any] | None:
    """What sync generates for F5; None where F5 starts the job by `loop run`."""
    disk = loader.WorkspaceFiles(Path(run.workspace.root))
    return launch_json.configuration_of(run.experiment, run.job, disk.find_asset)


def _f5(run: Run, dev: Mapping[str, Any] | UserError) -> ParityColumn:
    """The launch configuration on disk, in the dev container's environment."""
    generated = _launch_configuration(run)
    if generated is None:
        return ParityColumn(
            "F5", absent="not a single Python program: F5 runs it by `loop run --debug`, as docker"
        )
    try:
        configuration = _configuration(run, str(generated["name"]))
    except UserError as error:
        return ParityColumn("F5", absent=error.message())
    if isinstance(dev, UserError):
        return ParityColumn("F5", absent=dev.message())
    return _of_configuration("F5", run, dev, configuration, generated)


def _own_configurations(run: Run, dev: Mapping[str, Any] | UserError) -> Iterator[ParityColumn]:
    """Launch configurations of a person's own that start the same program."""
    generated = _launch_configuration(run)
    if generated is None or isinstance(dev, UserError):
        return
    try:
        value = _read_json(Path(run.workspace.root), ".vscode/launch.json")
    except UserError:
        return
    others = {name for name in run.workspace.experiments if name != run.experiment.name}
    for one in value.get("configurations") or ():
        if isinstance(one, dict) and str(one.get("name")).partition(": ")[0] in others:
            continue  # another experiment may start the same program
        is_same = isinstance(one, dict) and all(
            one.get(key) == generated.get(key) for key in ("program", "module", "request")
        )
        if is_same and one.get("name") != generated.get("name"):
            yield _of_configuration(f"F5 {one.get('name')}", run, dev, one, generated)


def _of_configuration(
    backend: str,
    run: Run,
    dev: Mapping[str, Any],
    configuration: Mapping[str, Any],
    generated: Mapping[str, Any],
) -> ParityColumn:
    folder = FOLDER
    code = code_root(run.job.name, run.job.code) or ""
    names = {posixpath.join(folder, code): "<code>", folder: "<workspace>"}
    names |= _paths(generated["env"])
    env = {str(k): str(v) for k, v in (configuration.get("env") or {}).items()}
    command = _command_of(configuration, posixpath.join(folder, code))
    added = {
        **own_changes.variables(dev, _generated_dev_container(run, dev)),
        **own_changes.variables(configuration, generated),
    }
    cwd = str(configuration.get("cwd") or folder)
    facts = {
        "command": _command(command, names),
        "cwd": ParityFact(normalize_paths(cwd, names), shown=cwd),
        "variables": _variables(run, env, names),
        **_dev_facts(run, dev),
    }
    if changes := own_changes.of_launch(configuration, generated):
        facts["changes"] = ParityFact(join_facts(changes))
    return _with_variables(ParityColumn(backend, facts), added)


def _with_variables(column: ParityColumn, added: Mapping[str, str]) -> ParityColumn:
    """The column with variables that a person wrote into a generated file."""
    fact = column.facts["variables"]
    parts = fact.value.split("; ") if fact.value != "none" else []
    new = [f"{name}={value}" for name, value in added.items()]
    is_there = {part.partition("=")[0] for part in parts}
    new = [part for part in new if part.partition("=")[0] not in is_there]
    if not new:
        return column
    changed = replace(fact, value=join_facts([*parts, *new]))
    return replace(column, facts={**column.facts, "variables": changed})


def _generated_dev_container(run: Run, dev: Mapping[str, Any]) -> Mapping[str, Any]:
    """The devcontainer.json as it would be generated now; `dev` itself if it is a person's own."""
    if run.experiment.paths.devcontainer:
        return dev
    jobs = {run.experiment.name: run.job} if run.job.kind == "command" else {}
    extension = tool_files.has_extension(Path(run.workspace.root))
    specification = Specification(run.workspace, (run.experiment,), jobs, extension=extension)
    value = devcontainer_json.render(specification, run.experiment)
    return value if isinstance(value, dict) else {}


def _command(text: str, names: Mapping[str, str]) -> ParityFact:
    return ParityFact(normalize_command(normalize_paths(text, names)), shown=text)


def _command_of(configuration: Mapping[str, Any], code: str) -> str:
    """The command line of a launch configuration."""
    arguments = configuration.get("args") or []
    words = (
        [arguments] if isinstance(arguments, str) else [_quoted(str(item)) for item in arguments]
    )
    options = configuration.get("pythonArgs")
    python = [_python(configuration), *map(str, options if isinstance(options, list) else ())]
    if module := configuration.get("module"):
        return " ".join([*python, "-m", str(module), *words])
    program = str(configuration.get("program") or "")
    return " ".join([*python, _quoted(program.removeprefix(f"{code}/")), *words])


def _python(configuration: Mapping[str, Any]) -> str:
    """The interpreter of a launch configuration: the dev container's own where it names none."""
    named = configuration.get("python") or configuration.get("pythonPath") or "python"
    text = " ".join(map(str, named)) if isinstance(named, list) else str(named)
    return "python" if text.startswith("${command:python.interpreterPath}") else text


def _quoted(word: str) -> str:
    """The word quoted for a shell; VS Code substitutes its ${...} before that."""
    return word if re.fullmatch(r"[\w@%+=:,./${}-]+", word) else shlex.quote(word)


def _configuration(run: Run, name: str) -> Mapping[str, Any]:
    path = ".vscode/launch.json"
    value = _read_json(Path(run.workspace.root), path)
    listed_there = value.get("configurations") or []
    found = [c for c in listed_there if isinstance(c, dict) and c.get("name") == name]
    if not found:
        raise UserError(
            f'there is no configuration "{name}"',
            code="generated-file-changed",
            where=path,
            hint="Run `scripts/loop sync`",
        )
    return found[0]


def _dev_container(workspace: Workspace, experiment: Experiment) -> Mapping[str, Any] | UserError:
    path = devcontainer_json.path_of(experiment)
    try:
        return _read_json(Path(workspace.root), path)
    except UserError as error:
        return error


def _read_json(root: Path, path: str) -> dict[str, Any]:
    text = files.read_text(root / path)
    if text is None:
        raise UserError(
            "the generated file does not exist",
            code="generated-file-missing",
            where=path,
            hint="Run `scripts/loop sync`",
        )
    try:
        value = parse(text, path).value
    except ParseError as error:
        raise UserError(error.what, code="not-json", where=error.where, hint=error.hint) from error
    return value if isinstance(value, dict) else {}


def _variables(run: Run, env: Mapping[str, str], names: Mapping[str, str]) -> ParityFact:
    """The job's own variables and those that Azure ML adds for its inputs and outputs."""
    own = run.job.environment_variables
    relevant = {k: v for k, v in env.items() if k in own or k.startswith(VARIABLES)}
    return ParityFact(
        join_facts([f"{key}={normalize_paths(value, names)}" for key, value in relevant.items()])
    )


def _paths(env: Mapping[str, str]) -> dict[str, str]:
    """The paths of data and outputs, with their names in the job."""
    names = {}
    for key, value in env.items():
        for prefix, name in (("AZURE_ML_INPUT_", _input), ("AZURE_ML_OUTPUT_", _output)):
            if key.startswith(prefix):
                names[value] = names[shlex.quote(value)] = name(key.removeprefix(prefix))
    return names


def _home(run: Run) -> str:
    """The normalized working directory; a job without code starts in an empty folder."""
    return "<code>" if run.code is not None else "<empty>"


def _input(name: str) -> str:
    return "${{inputs." + name + "}}"


def _output(name: str) -> str:
    return "${{outputs." + name + "}}"


def _digest(run: Run) -> str:
    """Of the experiment's own environment."""
    if run.environment.is_own:
        return run.environment.digest[:12]
    return loader.digest_of(loader.context_of(run.workspace, run.experiment))[:12]


def _last_stage(run: Run) -> str:
    return f"its Dockerfile, stage {_last_name(run.experiment.dockerfile)}"


def _last_name(dockerfile: Dockerfile) -> str:
    return dockerfile.last.name or "the only one"


def _same_base(dockerfile: Dockerfile, stage: str) -> bool:
    """Whether the development stage and the job's have the same base."""
    dev = dockerfile.stage(stage) or dockerfile.last
    job = dockerfile.last
    return dev == job or dev.base in (job.base, job.name)


def _option(words: Any, name: str) -> str:
    """The value of an option, written with a space or with "="; "" if it is absent."""
    words = list(words)
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return str(words[index + 1])
        if str(word).startswith(f"{name}="):
            return str(word).partition("=")[2]
    return ""


def _size(text: str) -> str:
    """A size, however it is written: 2g, 2G, 2gb and 2048m are the same."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)b?", text.strip().lower())
    if match is None:
        return text
    count = float(match[1]) * 1024 ** "bkmgt".index(match[2] or "b")
    for power, unit in ((3, "g"), (2, "m"), (1, "k")):
        if count >= 1024**power and count % 1024**power == 0:
            return f"{count / 1024**power:g}{unit}"
    return f"{count:g}"


def _same(path: str, other: str) -> bool:
    return Path(path) == Path(other)
