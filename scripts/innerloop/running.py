"""A run from the job file to its exit code: plan (pure but for the look at the data), choose the
place, make the request, submit it."""

from __future__ import annotations

import os
import posixpath
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import builder, building, engine, environments, files, recording, sharing, surroundings
from .errors import Mistake
from .places import Request, Run, docker, inside, venv
from .spec.experiment import JOB_FILE, Experiment
from .spec.job import Input, Job, parse_job
from .spec.paths import local_path
from .spec.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Started:
    """A request together with the function that carries it out."""

    run: Run
    request: Request
    submit: Callable[[Run, Request], int]


def plan(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    *,
    script: str | None = None,
    arguments: Sequence[str] = (),
    options: Sequence[str] = (),
    dry: bool = False,
) -> Run:
    """Finds the data of the job on this machine. A data input that is nowhere is a `Mistake`."""
    if job.kind != "command":
        raise Mistake(
            f"a {job.kind} job cannot be run here yet, only a command job",
            where=job.name,
            mend="Name a command job with --file, or submit it to Azure ML",
        )
    if script is not None:
        script = _script(workspace, experiment, script)
    sharing.require_whole(Path(workspace.root), experiment)
    data, writable = {}, set()
    for name, one in job.inputs.items():
        if one.kind == "data":
            data[name], can_write = _data(workspace, experiment, job, one, dry)
            if can_write:
                writable.add(name)
    return Run(
        workspace=workspace,
        experiment=experiment,
        job=job,
        id=new_id(),
        data=data,
        writable=frozenset(writable),
        script=script,
        arguments=arguments,
        options=options,
    )


def plan_command(
    workspace: Workspace, experiment: Experiment, command: str, arguments: Sequence[str] = ()
) -> Run:
    """A run of another command than the job's, with the experiment's folder as the code root."""
    import json

    job = parse_job(
        f"command: {json.dumps(command)}\ncode: .\nenvironment: {{build: {{path: ./environment}}}}\n",
        f"{experiment.folder}/{JOB_FILE}",
    )
    return replace(plan(workspace, experiment, job, arguments=arguments), in_place=True)


def new_id() -> str:
    """Sorts by time, and two runs in one second differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def prepare(run: Run, place: str, *, dry: bool, dev: bool = False) -> Started:
    """The request, in the place asked for or the first that can be had. What it needs (an image,
    an environment) is made on the way, unless `dry`. `dev` asks for the environment with the
    tools that people work with (pytest, notebook, debugger)."""
    if place == "inside" or (place == "auto" and inside.experiment() == run.experiment.name):
        return _inside(run, place)
    if inside.experiment() is not None and place != "venv":
        return _elsewhere(run)
    if place == "venv":
        return _venv(run, "asked for", dry, dev)
    image = building.image_of(run.workspace, run.experiment, dev=dev)
    facts = engine.ask(image.name)
    if not facts.answers and place == "auto":
        return _venv(run, facts.why, dry, dev)
    engine.require(facts)
    return _docker(
        run, image, facts, "asked for" if place == "docker" else "an engine answers", dry
    )


def carry_out(started: Started) -> int:
    """Says where it runs and why, runs it, and names the folder with what it wrote; of a part of
    a larger run its table says that."""
    wanted = started.request
    tell = _say if started.run.attended else _say_nothing
    tell(f"innerloop: running in place {wanted.place} ({wanted.why})")
    for note in wanted.notes:
        _say(f"innerloop: {note}")
    if started.run.in_place:
        return started.submit(started.run, wanted)
    outputs = files.make_folder(Path(started.run.workspace.root, wanted.outputs))
    try:
        with recording.recorded(started.run, wanted) as ending:
            code = ending.code = started.submit(started.run, wanted)
    finally:
        if any(entry.name != recording.FOLDER for entry in outputs.iterdir()):
            tell(f"innerloop: outputs are in {wanted.outputs}/")
    if code != 0:
        tell(f"innerloop: the command ended with exit code {code}{_meaning(code, started)}")
    return code


def _docker(run: Run, image: building.Image, facts: engine.Engine, why: str, dry: bool) -> Started:
    gpu = engine.decide_gpu(
        run.experiment.settings.gpu, device=engine.has_gpu(), runtime=facts.has_nvidia
    )
    # The request first: what is wrong with the command is said before minutes of building.
    wanted = docker.request(
        run,
        image=image.name,
        engine=facts,
        gpu=gpu,
        owner=docker.owner(),
        why=why,
        around=surroundings.of_run(run.workspace),
    )
    if not dry and not building.is_current(image, facts):
        building.build(run.workspace, run.experiment, image)
    return Started(run, wanted, docker.submit)


def _venv(run: Run, why: str, dry: bool, dev: bool) -> Started:
    locked = venv.requirements(run.workspace, run.experiment, dev)
    program, version, note = venv.python_for(run.experiment)
    environment = venv.environment_of(run.experiment, locked, version)
    reach = builder.network_of(run.workspace)
    wanted = venv.request(
        run,
        environment=environment,
        why=why,
        notes=(note,) if note else (),
        trust=surroundings.trust_here(reach),
    )
    if not dry:
        environments.ensure(
            environment,
            locked,
            python=program,
            purpose=f"{run.experiment.name}'s environment ({run.experiment.folder}/environment)",
            say=_say,
            reach=reach,
        )
    return Started(run, wanted, venv.submit)


def _inside(run: Run, place: str) -> Started:
    if inside.experiment() != run.experiment.name:
        raise Mistake(
            f"this is not the dev container of {run.experiment.name}",
            mend="Reopen in that container, or leave --place away",
        )
    why = "asked for" if place == "inside" else "we are in the experiment's container"
    return Started(run, inside.request(run, why=why), inside.submit)


def _elsewhere(run: Run) -> Started:
    raise Mistake(
        f"this is the dev container of {inside.experiment()}, not of {run.experiment.name}",
        mend=f"Run it from a terminal on the host, or reopen in {run.experiment.name}'s container",
    )


def _script(workspace: Workspace, experiment: Experiment, script: str) -> str:
    """Relative to the experiment's folder, with "/"."""
    cleaned = posixpath.normpath(script.replace("\\", "/")).removeprefix(f"{experiment.folder}/")
    if cleaned.startswith("../") or posixpath.isabs(cleaned):
        raise Mistake(
            f"{script} is outside the experiment's folder",
            where=experiment.folder,
            mend="Only the experiment's own code is there when it runs",
        )
    if not Path(workspace.root, experiment.folder, cleaned).is_file():
        raise Mistake(
            f"there is no {cleaned}", where=experiment.folder, mend="Check the name after --script"
        )
    return cleaned


def _data(
    workspace: Workspace, experiment: Experiment, job: Job, one: Input, dry: bool
) -> tuple[str, bool]:
    """Where a data input is on this machine, and whether it may be written there."""
    setting = experiment.settings.data.get(one.name)
    where = job.text.where("inputs", one.name)
    path = _local_path(workspace, job, one, setting.path if setting else "", where)
    if os.path.exists(path) or dry:
        return path, bool(setting and setting.create) or one.mode in ("rw_mount", "download")
    if setting is not None and setting.create:
        if not dry:
            files.make_folder(Path(path))
        return path, True
    shown = os.path.relpath(path, workspace.root).replace("\\", "/")
    raise Mistake(
        f'the data of input "{one.name}" are not here: there is no {shown}',
        where=where,
        mend=f"Put them there, or name another place with [data.{one.name}] in "
        f"{experiment.folder}/innerloop.toml, or with --set inputs.{one.name}=PATH",
    )


def _local_path(workspace: Workspace, job: Job, one: Input, given: str, where: str) -> str:
    path = local_path(job.name, one.path or "", given)
    if path is None:
        raise Mistake(
            f'input "{one.name}" is in the cloud: {one.path}',
            where=where,
            mend=f"Download it, and name the place with [data.{one.name}] path = ... in innerloop.toml",
        )
    return os.path.normpath(os.path.join(workspace.root, path))


def _meaning(code: int, started: Started) -> str:
    if code == 130:
        return " (stopped by Ctrl-C)"
    if code == 137:
        return " (killed: out of memory, most often)"
    if code == 127 and started.request.place == "docker":
        return " (a program that the command names is not in the image)"
    return ""


def _say_nothing(text: str) -> None:
    """A part's place and end stand in the table of the whole."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
