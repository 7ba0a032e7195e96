"""A run from the job file to its exit code: plan (pure but for the look at the data), choose the
place, make the request, submit it."""

from __future__ import annotations

import os
import posixpath
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import (
    builder,
    building,
    datasets,
    engine,
    files,
    job_environments,
    loading,
    noticing,
    ports,
    recording,
    sharing,
    surroundings,
)
from .errors import Mistake, together
from .places import Request, Run, docker, inside, venv
from .process import OutOfTime
from .remarks import remarks
from .spec.experiment import JOB_FILE, Experiment, Link
from .spec.job import Job, parse_job
from .spec.paths import code_root
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
    processes: int | None = None,
    search_space: Mapping[str, str] | None = None,
    also: Sequence[Mistake] = (),
    notes: Sequence[str] = (),
    dry: bool = False,
) -> Run:
    """Finds the code and the data of the job on this machine, and downloads what can be had by a
    plain GET. What is nowhere is a `Mistake` that names all of it; with `dry` nothing is fetched,
    and the plan's `missing` says what a real run would need. `also` is what was found to be wrong
    before, and `notes` what is to be said besides.
    """
    if job.kind != "command":
        raise Mistake(
            f"a {job.kind} job has no one command to run",
            where=job.name,
            mend="`scripts/loop run` takes it in parts; name a command job with --file",
        )
    if script is not None:
        script = _script(workspace, experiment, script)
    sharing.require_whole(Path(workspace.root), experiment)
    code = _code(workspace, job)
    found = {
        name: place
        for name, one in job.inputs.items()
        if one.kind == "data"
        and (place := datasets.find(workspace, experiment, job, one, dry=dry)) is not None
    }
    said = {mistake.where for mistake in also}
    missing = [*also, *(one for one in _no_code(workspace, job, code) if one.where not in said)]
    missing += [one.missing for one in found.values() if one.missing is not None]
    run = Run(
        workspace=workspace,
        experiment=experiment,
        job=job,
        id=new_id(),
        data={name: one.path for name, one in found.items()},
        writable=frozenset(name for name, one in found.items() if one.writable),
        script=script,
        arguments=arguments,
        options=options,
        code=code,
        code_is_file=code is not None and os.path.isfile(code),
        links=_links(workspace, experiment, code),
        processes=processes,
        master_port=ports.free(29500),
        search_space=search_space or {},
        ports={port: ports.free(port) for port in job.ports.values()},
        missing=tuple(missing),
        notes=(*notes, *remarks(job, processes)),
    )
    if missing and not dry:
        raise together([*missing, *_no_environment(run)])
    return replace(run, notes=(*run.notes, *_downloaded(job, found, dry)))


def plan_command(
    workspace: Workspace,
    experiment: Experiment,
    command: str,
    arguments: Sequence[str] = (),
    *,
    variables: Mapping[str, str] | None = None,
    shm_size: str = "2g",
) -> Run:
    """A run of another command than the job's, with the experiment's folder as the code root."""
    import json

    own = json.dumps(dict(variables or {}))  # JSON is YAML
    job = parse_job(
        f"command: {json.dumps(command)}\ncode: .\nenvironment: {{build: {{path: ./environment}}}}\n"
        f"environment_variables: {own}\nresources: {{shm_size: {shm_size}}}\n",
        f"{experiment.folder}/{JOB_FILE}",
    )
    return replace(plan(workspace, experiment, job, arguments=arguments), in_place=True)


def new_id() -> str:
    """Sorts by time, and two runs in one second differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def prepare(run: Run, place: str, *, dry: bool, dev: bool = False) -> Started:
    """The request, in the place asked for or the first that can be had. What it needs (an image,
    an environment) is made on the way, unless `dry`: then the request's notes say what is missing.
    `dev` asks for the environment with the tools that people work with (pytest, notebook,
    debugger)."""
    if place == "inside" or (place == "auto" and inside.experiment() == run.experiment.name):
        return _inside(run, place)
    if inside.experiment() is not None and place != "venv":
        return _elsewhere(run)
    if place == "venv":
        return _venv(run, "asked for", dry, dev)
    wanted = job_environments.image_for(run, dev=dev)
    facts = engine.ask(wanted.image.name if wanted.image else "")
    if not facts.answers and place == "auto":
        return _venv(run, facts.why, dry, dev)
    why = "asked for" if place == "docker" else "an engine answers"
    return _docker(run, wanted, facts, why, dry)


def carry_out(started: Started) -> int:
    """Says where it runs and why, runs it, and names the folder with what it wrote; of a part of
    a larger run its table says that."""
    wanted = started.request
    tell = _say if started.run.attended else _say_nothing
    tell(where_and_why(wanted))
    for note in wanted.notes:
        tell(f"innerloop: {note}")
    if started.run.in_place:
        return started.submit(started.run, wanted)
    outputs = files.make_folder(Path(started.run.workspace.root, wanted.outputs))
    made = _output_folders(started.run, outputs)
    try:
        with recording.recorded(started.run, wanted) as ending:
            code = ending.code = _submitted(started)
    finally:
        for folder in made:
            files.remove_if_empty(folder)
        if any(entry.name != recording.FOLDER for entry in outputs.iterdir()):
            tell(f"innerloop: outputs are in {wanted.outputs}/")
    if code != 0:
        tell(f"innerloop: the command ended with exit code {code}{_meaning(code, started)}")
        if started.run.attended:
            noticing.show(started.run, wanted, outputs / recording.LOG)
    return code


def where_and_why(wanted: Request) -> str:
    return f"innerloop: running in place {wanted.place} ({wanted.why})"


def _output_folders(run: Run, outputs: Path) -> list[Path]:
    """The folders of declared outputs are there before the program starts, as on Azure ML."""
    wanted = [outputs / name for name, one in run.job.outputs.items() if not one.is_file]
    return [files.make_folder(folder) for folder in wanted if not folder.exists()]


def _submitted(started: Started) -> int:
    try:
        return started.submit(started.run, started.request)
    except OutOfTime as late:
        limit = started.run.job.timeout
        _say(f"innerloop: ended after {limit} s: the job's limits allow no more")
        return late.exit_code


def _docker(
    run: Run, wanted: job_environments.StandIn, facts: engine.Engine, why: str, dry: bool
) -> Started:
    missing = [*([] if wanted.missing is None else [wanted.missing]), *_leading_out(run.links)]
    if not facts.answers:
        missing.append(Mistake(facts.why, mend=facts.mend))
    try:
        gpu = engine.decide_gpu(
            run.experiment.settings.gpu, device=engine.has_gpu(), runtime=facts.has_nvidia
        )
    except Mistake as mistake:
        missing.append(mistake)
        gpu = engine.Gpu(False, "no GPU can be had")
    image = wanted.image
    # The request first: what is wrong with the command is said before minutes of building.
    request = docker.request(
        _with_notes(run, wanted.notes, missing, dry),
        image=image.name if image else None,
        engine=facts,
        gpu=gpu,
        owner=docker.owner(),
        why=why,
        around=surroundings.of_run(run.workspace),
    )
    if not dry and image is not None and not building.is_current(image, facts):
        job_environments.write_context(run, image)
        building.build(run.workspace, run.experiment, image)
    return Started(run, request, docker.submit)


def _venv(run: Run, why: str, dry: bool, dev: bool) -> Started:
    wanted = job_environments.packages_for(run, dev=dev)
    missing = [] if wanted.missing is None else [wanted.missing]
    program, version, note = venv.interpreter(wanted.python)
    environment = venv.environment_of(run.experiment, wanted.files, version, wanted.text)
    reach = builder.network_of(run.workspace)
    request = venv.request(
        _with_notes(run, (*wanted.notes, *([note] if note else [])), missing, dry),
        environment=None if missing else environment,
        why=why,
        trust=surroundings.trust_here(reach),
    )
    if not dry:
        job_environments.install(run, wanted, environment, program, _say, reach)
    return Started(run, request, venv.submit)


def _with_notes(run: Run, notes: Sequence[str], missing: Sequence[Mistake], dry: bool) -> Run:
    """The run with what is to be said of this place. What is missing ends a real run here, all of
    it at once."""
    everything = [*run.missing, *missing]
    if everything and not dry:
        raise together(everything)
    lacking = [f"a real run needs more: {mistake.sentence()}" for mistake in everything]
    return replace(run, notes=(*run.notes, *notes, *lacking))


def _inside(run: Run, place: str) -> Started:
    if inside.experiment() != run.experiment.name:
        raise Mistake(
            f"this is not the dev container of {run.experiment.name}",
            mend="Reopen in that container, or leave --place away",
        )
    why = "asked for" if place == "inside" else "we are in the experiment's container"
    from . import aging  # here, since runs elsewhere do not need it

    other = [] if job_environments.is_own(run) else [_OTHER_ENVIRONMENT]
    other += [one.sentence() for one in aging.stale(run.workspace, run.experiment.name)]
    run = _with_notes(run, other, (), dry=True)
    return Started(run, inside.request(run, why=why), inside.submit)


_OTHER_ENVIRONMENT = "the job names another environment than this container's"


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


def _code(workspace: Workspace, job: Job) -> str | None:
    """The code root as an absolute path of this machine."""
    code = code_root(job.name, job.code)
    return None if code is None else os.path.normpath(os.path.join(workspace.root, code))


def _no_code(workspace: Workspace, job: Job, code: str | None) -> list[Mistake]:
    if code is None or os.path.exists(code):
        return []
    shown = os.path.relpath(code, workspace.root).replace("\\", "/")
    what, mend = f"there is no {shown}", "Name the folder of the code after code:"
    return [Mistake(what, where=job.where("code"), mend=mend)]


def _no_environment(run: Run) -> list[Mistake]:
    """An environment that no place of this machine has, to be said together with the rest."""
    if run.job.environment.kind != "registered":
        return []
    missing = job_environments.image_for(run).missing
    return [] if missing is None else [missing]


def _links(workspace: Workspace, experiment: Experiment, code: str | None) -> tuple[Link, ...]:
    """The links that lead out of the code root."""
    own = os.path.normpath(os.path.join(workspace.root, experiment.folder))
    if code is None or code == own or not os.path.isdir(code):
        return experiment.links
    return tuple(loading.links_of(Path(workspace.root), Path(code)))


def _leading_out(links: Sequence[Link]) -> list[Mistake]:
    """Links to what no other machine has; only the place docker cannot follow them."""
    return [
        Mistake(
            f"the link leads out of the workspace, to {link.target}",
            where=link.path,
            mend="Share code from src/common by a relative link (`scripts/loop dependency`)",
        )
        for link in links
        if not link.is_inside
    ]


def _downloaded(job: Job, found: Mapping[str, datasets.Found], dry: bool) -> list[str]:
    """Fetches what can be fetched, or says that a real run would."""
    notes = []
    for name, one in found.items():
        if one.url and not one.is_there:
            from . import downloads  # here, since few runs need it and all should start fast

            if dry:
                notes.append(f"a real run first downloads {downloads.plain(one.url)}")
            else:
                downloads.fetch(one, job.inputs[name].type, _say)
    return notes


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
