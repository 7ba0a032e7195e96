"""A run before a backend is chosen.

It has its code, its data, its environment and its notes, resolved on this machine. Data that a
plain GET can fetch are downloaded on the way.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..model.environment import ResolvedEnvironment
from ..model.experiment import Experiment, Link
from ..model.experiment_paths import JOB_FILE
from ..model.folder_contents import FolderContents
from ..model.jobs.job import Job, parse_job
from ..model.lint.finding import ERROR
from ..model.lint.machine_rules import check_machine
from ..model.paths import code_elsewhere, code_here, is_elsewhere
from ..model.run import Run
from ..model.workspace import Workspace
from ..util import console, ports
from ..util.errors import UserError, combine
from ..workspace import folder_reader, loader, read_states, shared_code_links
from . import content_notes, datasets, environment_resolver
from .local_differences import notes_on
from .started_run import new_id

# No data are elsewhere.


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
    environment: ResolvedEnvironment | None = None,
    dev: bool = False,
    test: bool = False,
    errors: Sequence[UserError] = (),
    notes: Sequence[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    dry: bool = False,
) -> Run:
    """Find the job's code and data on this machine, and resolve its environment.

    Data that a plain GET can fetch are downloaded.

    Everything that is missing is one UserError; with `dry` nothing is fetched, and the run's
    `missing` names it. `environment` is one that is resolved already; `dev` asks for the environment
    with development tools, `test` for the one with what the tests need alone, if there is one. `errors` and `notes` are those of the caller, added to the run's.
    `elsewhere` is for another machine that runs the job: the data inputs whose data are there already, by
    their paths there. It gets the whole lock, as this machine's GPUs say nothing about its own.
    """
    there = elsewhere or {}
    if job.kind != "command":
        raise UserError(
            f"a {job.kind} job is more than one command",
            code="not-a-command-job",
            where=job.name,
            hint="Run it with `scripts/loop run`, or name a command job with --file",
        )
    if script is not None:
        script = _script(workspace, experiment, script)
    shared_code_links.require_whole(Path(workspace.root), experiment)
    code = _code(workspace, job)
    data = {
        name: dataset
        for name, input_ in job.inputs.items()
        if input_.kind == "data"
        and name not in there
        and (dataset := datasets.find(workspace, experiment, job, input_, dry=dry)) is not None
    }
    reported = {error.where for error in errors}
    unusable = [finding.error() for finding in check_machine(job) if finding.severity is ERROR]
    missing = [*errors, *(error for error in unusable if error.where not in reported)]
    missing += [error for error in _no_code(workspace, job, code) if error.where not in reported]
    missing += [dataset.missing for dataset in data.values() if dataset.missing is not None]
    contents = _contents(workspace, code, data)
    root = Path(workspace.root)
    for name, one in contents.items():
        error = content_notes.error_of(job, name, one, root) if name else None
        missing += [error] if error is not None else []
    content = [note for one in contents.values() for note in _content_notes(root, one)]
    if environment is None:
        environment = environment_resolver.resolve(
            workspace, experiment, job, dev=dev, test=test, full=elsewhere is not None
        )
    if environment.conda is not None and environment.conda.variables:
        variables = {**environment.conda.variables, **job.environment_variables}
        job = replace(job, environment_variables=variables)
    named = dict.fromkeys([environment.file_note, *(dataset.note for dataset in data.values())])
    run = Run(
        workspace=workspace,
        experiment=experiment,
        job=job,
        id=new_id(),
        data={
            **{name: dataset.path for name, dataset in data.items()},
            **{name: path for name, path in there.items() if name in job.inputs},
        },
        environment=environment,
        writable=frozenset(name for name, dataset in data.items() if dataset.writable),
        script=script,
        arguments=arguments,
        options=options,
        code=code,
        code_is_file=code is not None and os.path.isfile(code),
        links=_links(workspace, experiment, code),
        contents=contents,
        processes=processes,
        master_port=ports.free(29500),
        search_space=search_space or {},
        ports={port: ports.free(port) for port in job.ports.values()},
        missing=tuple(missing),
        notes=(*notes, *filter(None, named), *notes_on(job, processes), *dict.fromkeys(content)),
    )
    downloads = [dataset for dataset in data.values() if dataset.url and not dataset.exists]
    # Nothing is downloaded for a run that cannot start.
    if missing or downloads:
        missing += _no_environment(environment)
    if missing and not dry:
        raise combine(missing)
    return replace(run, notes=(*run.notes, *_download(job, data, dry)))


def plan_command(
    workspace: Workspace,
    experiment: Experiment,
    command: str,
    arguments: Sequence[str] = (),
    *,
    variables: Mapping[str, str] | None = None,
    shm_size: str = "2g",
    test: bool = False,
) -> Run:
    """A run of another command than the job's, in the experiment's folder.

    Its environment is the experiment's, with development tools; `test`: with what the tests need. An
    experiment without one has its job's.
    """
    environment_variables = json.dumps(dict(variables or {}))  # JSON is YAML
    job = parse_job(
        f"command: {json.dumps(command)}\ncode: .\n"
        f"environment_variables: {environment_variables}\nresources: {{shm_size: {shm_size}}}\n",
        f"{experiment.folder}/{JOB_FILE}",
    )
    environment = None
    if not experiment.is_own and experiment.has_job:
        # It has none of its own: the one that its job names.
        named = loader.open_job(workspace, experiment)
        environment = environment_resolver.resolve(workspace, experiment, named)
    run = plan(
        workspace,
        experiment,
        job,
        arguments=arguments,
        environment=environment,
        dev=True,
        test=test,
    )
    return replace(run, in_place=True)


def _script(workspace: Workspace, experiment: Experiment, script: str) -> str:
    """The script relative to the experiment's folder, with "/"."""
    relative = posixpath.normpath(script.replace("\\", "/")).removeprefix(f"{experiment.folder}/")
    if relative.startswith("../") or posixpath.isabs(relative):
        raise UserError(
            f"{script} is outside the experiment's folder",
            code="script-outside",
            where=experiment.folder,
            hint="Name a script of the experiment: a run sees no other code",
        )
    if not Path(workspace.root, experiment.folder, relative).is_file():
        raise UserError(
            f"there is no {relative}",
            code="script-missing",
            where=experiment.folder,
            hint="Check the name after --script",
        )
    return relative


def _code(workspace: Workspace, job: Job) -> str | None:
    """The code root as an absolute path of this machine; None for code that is not on it."""
    code = code_here(job.name, job.code)
    return None if code is None else os.path.normpath(os.path.join(workspace.root, code))


def _no_code(workspace: Workspace, job: Job, code: str | None) -> list[UserError]:
    """Why the job's code cannot be had; empty when it exists or the job has none."""
    if is_elsewhere(job.code):
        return [code_elsewhere(job.code, job.where("code"))]
    if code is None or os.path.exists(code):
        return []
    path = os.path.relpath(code, workspace.root).replace("\\", "/")
    return [
        UserError(
            f"there is no {path}",
            code="code-missing",
            where=job.where("code"),
            hint="Name the folder of the code after code:",
        )
    ]


def _no_environment(environment: ResolvedEnvironment) -> list[UserError]:
    """An environment that no backend of this machine has, to be reported with the rest."""
    if environment.kind != "registered" or environment.missing is None:
        return []
    return [environment.missing]


def _links(workspace: Workspace, experiment: Experiment, code: str | None) -> tuple[Link, ...]:
    """The links that lead out of the code root."""
    folder = os.path.normpath(os.path.join(workspace.root, experiment.folder))
    if code is None or code == folder or not os.path.isdir(code):
        return experiment.links
    return tuple(loader.links_of(Path(workspace.root), Path(code)))


def _contents(
    workspace: Workspace, code: str | None, data: Mapping[str, datasets.Dataset]
) -> dict[str, FolderContents]:
    """What is read of the code (under "") and of the data. Code outside of the workspace is not."""
    contents = {
        name: folder_reader.read(Path(dataset.path))
        for name, dataset in data.items()
        if dataset.exists
    }
    if code is not None and Path(code).is_relative_to(workspace.root) and os.path.isdir(code):
        contents[""] = folder_reader.read(Path(code), read_states.NOT_READ)
    return contents


def _content_notes(root: Path, contents: FolderContents) -> list[str]:
    shown = content_notes.shown_path(root, contents.folder)
    pointer = any(not pointer.path for pointer in contents.pointers)  # an error of its own
    notes = [] if pointer else list(content_notes.notes_on(contents, shown))
    return [*notes, *content_notes.notes_on_submodules(root, contents.folder)]


def _download(job: Job, data: Mapping[str, datasets.Dataset], dry: bool) -> list[str]:
    """Download the data that have a URL. With `dry`, a note for each that a real run downloads."""
    notes: dict[str, None] = {}
    for name, dataset in data.items():
        if dataset.url and not dataset.exists:
            from . import downloads  # imported here: few runs need it, and all should start fast

            if dry:
                notes[f"a real run first downloads {downloads.plain(dataset.url)}"] = None
            else:
                downloads.fetch(dataset, job.inputs[name].type, console.print_line)
    return list(notes)
