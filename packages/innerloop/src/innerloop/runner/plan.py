"""A run before a place is chosen: its code, its data and what is to be said of it, found on this
machine. What can be had by a plain GET is downloaded on the way."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..model.experiment import JOB_FILE, Experiment, Link
from ..model.jobs.job import Job, parse_job
from ..model.paths import code_elsewhere, code_here, is_elsewhere
from ..model.run import Run
from ..model.workspace import Workspace
from ..util import console, ports
from ..util.errors import UserError, combine
from ..workspace import loader, shared_code_links
from . import datasets, environment_resolver
from .local_differences import remarks


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
    also: Sequence[UserError] = (),
    notes: Sequence[str] = (),
    dry: bool = False,
) -> Run:
    """Finds the code and the data of the job on this machine, and downloads what can be had by a
    plain GET. What is nowhere is a `Mistake` that names all of it; with `dry` nothing is fetched,
    and the plan's `missing` says what a real run would need. `also` is what was found to be wrong
    before, and `notes` what is to be said besides.
    """
    if job.kind != "command":
        raise UserError(
            f"a {job.kind} job has no one command to run",
            where=job.name,
            hint="`scripts/loop run` takes it in parts; name a command job with --file",
        )
    if script is not None:
        script = _script(workspace, experiment, script)
    shared_code_links.require_whole(Path(workspace.root), experiment)
    code = _code(workspace, job)
    found = {
        name: backend
        for name, one in job.inputs.items()
        if one.kind == "data"
        and (backend := datasets.find(workspace, experiment, job, one, dry=dry)) is not None
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
    to_come = [one for one in found.values() if one.url and not one.is_there]
    # Nothing is downloaded for a run that cannot start.
    lacking = [*missing, *(_no_environment(run) if missing or to_come else [])]
    if lacking and not dry:
        raise combine(lacking)
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


def _script(workspace: Workspace, experiment: Experiment, script: str) -> str:
    """Relative to the experiment's folder, with "/"."""
    cleaned = posixpath.normpath(script.replace("\\", "/")).removeprefix(f"{experiment.folder}/")
    if cleaned.startswith("../") or posixpath.isabs(cleaned):
        raise UserError(
            f"{script} is outside the experiment's folder",
            where=experiment.folder,
            hint="Only the experiment's own code is there when it runs",
        )
    if not Path(workspace.root, experiment.folder, cleaned).is_file():
        raise UserError(
            f"there is no {cleaned}", where=experiment.folder, hint="Check the name after --script"
        )
    return cleaned


def _code(workspace: Workspace, job: Job) -> str | None:
    """The code root as an absolute path of this machine; None for code that is not on it."""
    code = code_here(job.name, job.code)
    return None if code is None else os.path.normpath(os.path.join(workspace.root, code))


def _no_code(workspace: Workspace, job: Job, code: str | None) -> list[UserError]:
    if is_elsewhere(job.code):
        return [code_elsewhere(job.code, job.where("code"))]
    if code is None or os.path.exists(code):
        return []
    shown = os.path.relpath(code, workspace.root).replace("\\", "/")
    what, hint = f"there is no {shown}", "Name the folder of the code after code:"
    return [UserError(what, where=job.where("code"), hint=hint)]


def _no_environment(run: Run) -> list[UserError]:
    """An environment that no place of this machine has, to be said together with the rest."""
    if run.job.environment.kind != "registered":
        return []
    missing = environment_resolver.image_for(run).missing
    return [] if missing is None else [missing]


def _links(workspace: Workspace, experiment: Experiment, code: str | None) -> tuple[Link, ...]:
    """The links that lead out of the code root."""
    own = os.path.normpath(os.path.join(workspace.root, experiment.folder))
    if code is None or code == own or not os.path.isdir(code):
        return experiment.links
    return tuple(loader.links_of(Path(workspace.root), Path(code)))


def _downloaded(job: Job, found: Mapping[str, datasets.Found], dry: bool) -> list[str]:
    """Fetches what can be fetched, or says that a real run would."""
    notes = []
    for name, one in found.items():
        if one.url and not one.is_there:
            from . import downloads  # here, since few runs need it and all should start fast

            if dry:
                note = f"a real run first downloads {downloads.plain(one.url)}"
                notes += [note] if note not in notes else []
            else:
                downloads.fetch(one, job.inputs[name].type, _say)
    return notes


def _say(text: str) -> None:
    console.print_line(text)
