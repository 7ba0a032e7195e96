"""What each place would really do with an experiment's job, read from where it is written: the
requests of the places, and the launch and dev container files as they are found on disk."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..argo_manifest.parse import Pod
from ..argo_manifest.resource_names import of_value
from ..docker.engine import Engine, Gpu
from ..local import docker, in_container
from ..model.dockerfiles.dockerfile import Dockerfile
from ..model.experiment import JOB_FILE, Experiment
from ..model.jobs.job import Job
from ..model.paths import code_root
from ..model.run import Request, Run
from ..model.settings.orchestrators import ARGO
from ..model.workspace import Workspace
from ..remote.azureml import backend
from ..runner import execute, pipeline_plan, sweep_executor
from ..sync.render import launch_json
from ..sync.render.debug_tasks import FOLDER
from ..util import files
from ..util.errors import UserError
from ..util.jsonc import ParseError, parse
from ..workspace import loader
from . import argo_column, workflow_column
from .facts import Column, Fact, Parity, listed, one_line, shared_words

REFERENCE = "azureml"
# What the service gives a container when the job file is silent. Source: CLI (v2) command job YAML
# schema, resources.shm_size.
CLOUD_USER = "root"
VARIABLES = ("AZUREML_PARAMETER_", "AZURE_ML_INPUT_", "AZURE_ML_OUTPUT_")


def of_job(workspace: Workspace, experiment: Experiment, job: Job) -> Iterator[Parity]:
    """That of a command job, of a sweep's first trial, or of each step of a pipeline."""

    def runs(one: Job) -> Iterator[tuple[str, Run]]:
        return _runs(workspace, experiment, one)

    is_scheduled = job.name == f"{experiment.folder}/{JOB_FILE}"
    started = list(workflow_column.starts(workspace, experiment, runs)) if is_scheduled else []
    pods = argo_column.pods(workspace, experiment, job, _trial(workspace, job))
    by_time = _by_time(workspace, experiment, runs) if is_scheduled else {}
    for title, run in runs(job):
        pod = argo_column.pod_of(pods, _step_of(experiment, title))
        others = [one.column(title, _azureml) for one in started]
        more = [by_time[title]] if title in by_time else []
        yield of(run, title, [_argo(run, pod), *more, *others])


def _step_of(experiment: Experiment, title: str) -> str:
    return title.removeprefix(experiment.name).removeprefix(": ")


def _by_time(
    workspace: Workspace, experiment: Experiment, runs: Callable[[Job], Iterator[tuple[str, Run]]]
) -> dict[str, Column]:
    """What the CronWorkflow starts, by the titles of the runs; what the schedule says it changes is
    explained by it."""
    if experiment.settings.schedule is None:
        return {}
    schedule = loader.open_schedule(workspace, experiment)
    if ARGO not in schedule.orchestrators:
        return {}
    job = loader.open_job(workspace, experiment, JOB_FILE, schedule.sets)
    pods = argo_column.rendered(workspace, experiment, _trial(workspace, job))
    why = f"[schedule.set] in innerloop.toml: {', '.join(schedule.sets)}"
    columns = {}
    for title, run in runs(job):
        column = _argo(run, argo_column.pod_of(pods, _step_of(experiment, title)), "argo by time")
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
    """What the first trial of a sweep is called with in a cluster."""
    if job.kind != "sweep":
        return {}
    _, values = sweep_executor.one_trial(pipeline_plan.swept_job(workspace, job))
    return {**{of_value(name): value for name, value in values.items()}, "trial": "trial-1"}


def of(run: Run, title: str, started: Sequence[Column] = ()) -> Parity:
    """The facts of every place for this run, with those of a cluster and of who starts it
    (`started`). Nothing is built, fetched or started."""
    dev = _dev_container(run.workspace, run.experiment)
    columns = (
        _azureml(run),
        _docker(run),
        _venv(run),
        _inside(run, dev),
        _f5(run, dev),
        *started,
    )
    return Parity(title, REFERENCE, columns)


def _azureml(run: Run) -> Column:
    wanted = backend.request(run)
    names = {f"$AZURE_ML_INPUT_{name}": _input(name) for name in run.job.inputs}
    names |= {f"$AZURE_ML_OUTPUT_{name}": _output(name) for name in run.job.outputs}
    # There the paths are known only when it runs; they are in the variables all the same.
    env = {**wanted.env}
    env |= {f"AZURE_ML_INPUT_{name}": f"$AZURE_ML_INPUT_{name}" for name in run.data}
    env |= {f"AZURE_ML_OUTPUT_{name}": f"$AZURE_ML_OUTPUT_{name}" for name in run.job.outputs}
    return Column(
        "azureml",
        {
            "command": _command(wanted.command, names),
            "cwd": Fact(_home(run), shown="the snapshot's root"),
            "variables": _variables(run, env, names),
            **_cloud_environment(run),
            "user": Fact(CLOUD_USER),
            "shm": Fact(_size(run.job.shm_size)),
            "mounts": Fact(_cloud_mounts(run), shown="the snapshot, and each input by its mode"),
        },
    )


def _docker(run: Run) -> Column:
    image = run.environment.image
    wanted = docker.request(
        run,
        image=image.name if image else "none",
        engine=Engine(True),
        gpu=Gpu(False, ""),
        owner=docker.owner(),
        why="",
    )
    names = {
        **_paths(wanted.env),
        wanted.cwd: _home(run),
        posixpath.join("/workspaces", run.workspace.name): "<workspace>",
    }
    assert wanted.container is not None
    user = wanted.container.user or CLOUD_USER
    return Column(
        "docker",
        {
            "command": _command(wanted.command, names),
            "cwd": Fact(shared_words(wanted.cwd, names), shown=wanted.cwd),
            "variables": _variables(run, wanted.env, names),
            **_local_environment(run),
            "user": Fact(
                CLOUD_USER if user in ("root", "0:0") else f"you ({user})",
                why="files that it writes here belong to you",
            ),
            "shm": Fact(_size(wanted.container.shm_size)),
            "mounts": _mounts(run, wanted),
        },
    )


def _argo(run: Run, pod: Pod | UserError, backend: str = "argo") -> Column:
    if isinstance(pod, UserError):
        return Column(backend, absent=pod.message())
    names = {**_paths(pod.env), pod.cwd: _home(run)}
    # The environment and the code of this very job, or something else.
    registry = run.workspace.settings.registry
    is_own = pod.image == argo_column.reference(registry, run.experiment, run.job)
    cloud = _cloud_environment(run)
    facts = {row: Fact(one.value if is_own else pod.image) for row, one in cloud.items()}
    parts, why = argo_column.mounts(run, pod, has_code=is_own and run.code is not None)
    user = run.experiment.dockerfile.user_of(run.experiment.dockerfile.last) or CLOUD_USER
    return Column(
        backend,
        {
            "command": _command(pod.command, names),
            "cwd": Fact(shared_words(pod.cwd, names), shown=pod.cwd),
            "variables": _variables(run, pod.env, names),
            **facts,
            "user": Fact(user, why="a pod runs as the image's own user"),
            "shm": Fact(_size(pod.shm)),
            "mounts": Fact(
                listed(parts),
                why="; ".join(why),
                shown=listed([f"{one.source} -> {one.target}" for one in pod.mounts]),
            ),
        },
    )


def _cloud_environment(run: Run) -> dict[str, Fact]:
    if run.environment.is_own:
        return {"environment": Fact(_digest(run)), "image": Fact(_last_stage(run))}
    named = backend.environment_words(run.job.environment, run.job)
    digest = run.environment.digest if run.job.environment.kind in ("build", "conda") else ""
    return {"environment": Fact(digest[:12] or named), "image": Fact(named)}


def _local_environment(run: Run) -> dict[str, Fact]:
    """What stands on this machine for the job's environment, in the cloud's words if it is the same."""
    cloud = _cloud_environment(run)
    environment = run.environment
    if environment.image is None:
        why = environment.missing.message() if environment.missing else ""
        return {row: Fact("nothing on this machine", why=why) for row in cloud}
    if run.job.environment.kind != "registered":
        return {row: Fact(f.value, shown=environment.image.name) for row, f in cloud.items()}
    why = "innerloop.toml names it in place of the one that only Azure ML has"
    return {row: Fact(environment.image.name, why=why) for row in cloud}


def _mounts(run: Run, wanted: Request) -> Fact:
    parts, why = [], []
    for mount in wanted.mounts:
        name = next((n for n, path in run.data.items() if _same(path, mount.source)), None)
        if name is not None:
            parts.append(f"{_input(name)} {'read' if mount.read_only else 'write'}")
            if not mount.read_only and run.job.inputs[name].mode in (None, "ro_mount"):
                why.append(f"create = true lets the program fill {name} in innerloop.toml")
        elif mount.target.startswith(posixpath.join(wanted.cwd, "outputs")):
            parts.append("./outputs")
        elif run.code is not None:
            parts.append("code")
    shown = listed([f"{mount.source} -> {mount.target}" for mount in wanted.mounts])
    return Fact(listed(parts), why="; ".join(why), shown=shown)


def _cloud_mounts(run: Run) -> str:
    parts = ["./outputs"]
    if run.job.code is not None:
        parts.append("code")
    for name in run.data:
        mode = run.job.inputs[name].mode or "ro_mount"
        parts.append(f"{_input(name)} {'write' if mode in ('rw_mount', 'download') else 'read'}")
    return listed(parts)


def _venv(run: Run) -> Column:
    try:
        wanted = execute.prepare(run, "venv", dry=True).request
    except UserError as mistake:
        return Column("venv", absent=mistake.message())
    here = "no container: the same locked packages on this machine's own system"
    return _of_this_file_system(
        run,
        wanted,
        {
            "environment": Fact("the locked packages alone", why=here),
            "image": Fact("none", why=here, shown=wanted.env.get("VIRTUAL_ENV", "")),
            "user": Fact("you", why="files that it writes here belong to you"),
            "shm": Fact("this machine's", why=here),
            "mounts": Fact("this machine's files", why=here),
        },
    )


def _inside(run: Run, dev: Mapping[str, Any] | UserError) -> Column:
    if isinstance(dev, UserError):
        return Column("in-container", absent=dev.message())
    return _of_this_file_system(run, in_container.request(run, why=""), _dev_facts(run, dev))


def _of_this_file_system(run: Run, wanted: Request, facts: Mapping[str, Fact]) -> Column:
    names = {
        **_paths(wanted.env),
        wanted.cwd: _home(run),
        run.workspace.root: "<workspace>",
    }
    return Column(
        wanted.backend,
        {
            "command": _command(wanted.command, names),
            "cwd": Fact(shared_words(wanted.cwd, names), shown=f"{wanted.cwd}, a view of the code"),
            "variables": _variables(run, wanted.env, names),
            **facts,
        },
    )


def _dev_facts(run: Run, dev: Mapping[str, Any]) -> dict[str, Fact]:
    """The environment of the experiment's dev container, as its file on disk says."""
    found = dev.get("build")
    build: Mapping[str, Any] = found if isinstance(found, dict) else {}
    stage = str(build.get("target") or "") or _last_name(run.experiment.dockerfile)
    folder = _environment_folder(run)
    named = posixpath.normpath(
        posixpath.join(f".devcontainer/{run.experiment.slug}", str(build.get("dockerfile") or ""))
    )
    ours = named == f"{folder}/Dockerfile"
    same_base = _same_base(run.experiment.dockerfile, stage)
    why = "the job's own packages, and on top of them what people work with" if same_base else ""
    options = [str(one) for one in dev.get("runArgs") or ()]
    shm = _option(options, "--shm-size")
    return {
        "environment": Fact(_digest(run) if ours else named or "another image"),
        "image": Fact(
            f"its Dockerfile, stage {stage}" if ours else named or str(dev.get("image")),
            why=why if ours else "",
        ),
        "user": Fact(
            str(dev.get("remoteUser") or dev.get("containerUser") or CLOUD_USER),
            why="files that you make there belong to you",
        ),
        "shm": Fact(_size(shm) if shm else "64m"),
        "mounts": Fact("the whole workspace", why="people work in it; a job sees only its own"),
    }


def _f5(run: Run, dev: Mapping[str, Any] | UserError) -> Column:
    """The launch configuration on disk, in the dev container's environment."""
    wanted = launch_json.configuration_of(run.experiment, run.job)
    if wanted is None:
        return Column(
            "F5", absent="not one plain Python program: F5 runs it by `loop run --debug`, as docker"
        )
    try:
        found = _configuration(run, str(wanted["name"]))
    except UserError as mistake:
        return Column("F5", absent=mistake.message())
    if isinstance(dev, UserError):
        return Column("F5", absent=dev.message())
    folder = FOLDER
    code = code_root(run.job.name, run.job.code) or ""
    names = {posixpath.join(folder, code): "<code>", folder: "<workspace>"}
    names |= _paths(wanted["env"])
    env = {str(k): str(v) for k, v in (found.get("env") or {}).items()}
    command = _command_of(found, posixpath.join(folder, code))
    cwd = str(found.get("cwd") or folder)
    return Column(
        "F5",
        {
            "command": _command(command, names),
            "cwd": Fact(shared_words(cwd, names), shown=cwd),
            "variables": _variables(run, env, names),
            **_dev_facts(run, dev),
        },
    )


def _command(text: str, names: Mapping[str, str]) -> Fact:
    return Fact(one_line(shared_words(text, names)), shown=text)


def _command_of(configuration: Mapping[str, Any], code: str) -> str:
    """The command line that a launch configuration stands for."""
    arguments = configuration.get("args") or []
    words = [arguments] if isinstance(arguments, str) else [_quoted(str(one)) for one in arguments]
    if module := configuration.get("module"):
        return " ".join(["python", "-m", str(module), *words])
    program = str(configuration.get("program") or "")
    return " ".join(["python", _quoted(program.removeprefix(f"{code}/")), *words])


def _quoted(word: str) -> str:
    """As a shell needs it; VS Code's own ${...} is filled in before anything runs."""
    return word if re.fullmatch(r"[\w@%+=:,./${}-]+", word) else shlex.quote(word)


def _configuration(run: Run, name: str) -> Mapping[str, Any]:
    path = ".vscode/launch.json"
    value = _read_json(Path(run.workspace.root), path)
    listed_there = value.get("configurations") or []
    found = [c for c in listed_there if isinstance(c, dict) and c.get("name") == name]
    if not found:
        raise UserError(
            f'there is no configuration "{name}"', where=path, hint="Run `scripts/loop sync`"
        )
    return found[0]


def _dev_container(workspace: Workspace, experiment: Experiment) -> Mapping[str, Any] | UserError:
    path = f".devcontainer/{experiment.slug}/devcontainer.json"
    try:
        return _read_json(Path(workspace.root), path)
    except UserError as mistake:
        return mistake


def _read_json(root: Path, path: str) -> dict[str, Any]:
    text = files.read_text(root / path)
    if text is None:
        raise UserError("it is not there", where=path, hint="Run `scripts/loop sync`")
    try:
        value = parse(text, path).value
    except ParseError as error:
        raise UserError(error.what, where=error.where, hint=error.hint) from error
    return value if isinstance(value, dict) else {}


def _variables(run: Run, env: Mapping[str, str], names: Mapping[str, str]) -> Fact:
    """The job's own variables and those that Azure ML makes of its inputs and outputs."""
    own = run.job.environment_variables
    kept = {k: v for k, v in env.items() if k in own or k.startswith(VARIABLES)}
    return Fact(listed([f"{key}={shared_words(value, names)}" for key, value in kept.items()]))


def _paths(env: Mapping[str, str]) -> dict[str, str]:
    """The paths of data and outputs in a place, by the names that they have in the job."""
    names = {}
    for key, value in env.items():
        for prefix, name in (("AZURE_ML_INPUT_", _input), ("AZURE_ML_OUTPUT_", _output)):
            if key.startswith(prefix):
                names[value] = names[shlex.quote(value)] = name(key.removeprefix(prefix))
    return names


def _home(run: Run) -> str:
    """The working directory; a job that brings no code begins in an empty folder."""
    return "<code>" if run.code is not None else "<empty>"


def _input(name: str) -> str:
    return "${{inputs." + name + "}}"


def _output(name: str) -> str:
    return "${{outputs." + name + "}}"


def _environment_folder(run: Run) -> str:
    return f"{run.experiment.folder}/environment"


def _digest(run: Run) -> str:
    """Of the experiment's own environment."""
    if run.environment.is_own:
        return run.environment.digest[:12]
    return loader.digest_of(Path(run.workspace.root, _environment_folder(run)))[:12]


def _last_stage(run: Run) -> str:
    return f"its Dockerfile, stage {_last_name(run.experiment.dockerfile)}"


def _last_name(dockerfile: Dockerfile) -> str:
    return dockerfile.last.name or "the only one"


def _same_base(dockerfile: Dockerfile, stage: str) -> bool:
    """Whether people's stage and the job's stand on the same stage of the Dockerfile."""
    found = dockerfile.stage(stage) or dockerfile.last
    job = dockerfile.last
    return found == job or found.base in (job.base, job.name)


def _option(words: Any, name: str) -> str:
    """The value behind an option, in either way of writing it."""
    words = list(words)
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return str(words[index + 1])
        if str(word).startswith(f"{name}="):
            return str(word).partition("=")[2]
    return ""


def _size(text: str) -> str:
    """Docker's ways to write one size: 2g, 2G, 2gb, 2048m."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)b?", text.strip().lower())
    if found is None:
        return text
    count = float(found[1]) * 1024 ** "bkmgt".index(found[2] or "b")
    for power, unit in ((3, "g"), (2, "m"), (1, "k")):
        if count >= 1024**power and count % 1024**power == 0:
            return f"{count / 1024**power:g}{unit}"
    return f"{count:g}"


def _same(one: str, two: str) -> bool:
    return Path(one) == Path(two)
