"""What a submission to Azure ML would be, whole, before anything is sent: no sign-in, no network,
and nothing of Azure's client."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....model.data_locations import locate
from ....model.experiment import JOB_FILE, Experiment
from ....model.jobs.environment_file import environment_of
from ....model.jobs.job import Job
from ....model.jobs.overrides import parse_job_with
from ....model.jobs.pipeline import Step, default_compute, pipeline_of, swept
from ....model.lint.finding import Finding, blocks_submission
from ....model.lint.job_file import check, read_and_check
from ....model.paths import code_here, code_root
from ....model.workspace import Workspace
from ....runner import execute
from ....util import files
from ....util.errors import UsageError, UserError
from ....workspace import loader
from ... import snapshot, submission_store
from ...snapshot import Snapshot
from .. import backend
from ..workspace_ref import Target
from .submission import Environment, Part, Submission, name_on_azure, workspace_of

# Source: the service's published definition of a job's name.
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


def plan(
    workspace: Workspace,
    experiment: Experiment,
    *,
    file: str = JOB_FILE,
    sets: Sequence[str] = (),
    name: str | None = None,
    target: Target | None = None,
) -> tuple[Submission | None, list[Finding]]:
    """The submission, and what `loop check` finds; None with findings that stand in the way."""
    root = Path(workspace.root)
    job, findings = _checked(root, experiment, file, sets)
    if job is None:
        return None, findings
    name = _chosen_name(job, name)
    disk = loader.WorkspaceFiles(root)
    steps = _steps(job, disk)
    parts = tuple(_part(disk, one, default_compute(job)) for one in steps)
    codes = dict.fromkeys(part.code for part in parts if part.code is not None)
    snapshots = {code: snapshot.read(root, code) for code in codes}
    fingerprint = _fingerprint(job, parts, snapshots, target)
    earlier = submission_store.cut_off(root, fingerprint)
    if earlier is not None and name not in (None, earlier.name):
        earlier = None
    made = Submission(
        experiment=experiment,
        job=job,
        name=name or (earlier.name if earlier else _new_name(experiment)),
        parts=parts,
        snapshots=snapshots,
        data=dict(_local_data(root, job, steps)),
        overrides=tuple(_overrides(job, experiment, sets)),
        sets=tuple(sets),
        target=target,
        fingerprint=fingerprint,
        known=dict(_known(root, parts, snapshots, target)),
        hints=tuple(findings),
        resumes=earlier is not None,
        named=name is not None,
    )
    return made, findings


def _checked(
    root: Path, experiment: Experiment, file: str, sets: Sequence[str]
) -> tuple[Job | None, list[Finding]]:
    path = f"{experiment.folder}/{file}"
    text = files.read_text(root / path)
    if text is None:
        hint = "It says what to run; `scripts/loop help job` shows the shortest one"
        raise UserError("there is no such job file", where=path, hint=hint)
    disk = loader.WorkspaceFiles(root)
    job: Job | None
    if sets:
        job = parse_job_with(text, path, sets)
        findings = check(job, disk)
    else:
        job, findings = read_and_check(text, path, disk)
    return (None if blocks_submission(findings) else job), findings


def _steps(job: Job, disk: loader.WorkspaceFiles) -> tuple[Step, ...]:
    """What runs as one: the steps of a pipeline, or the job itself, which has no name among them;
    a sweep with the component that its trial may name in it."""
    if job.kind != "pipeline":
        return (Step("", swept(job, disk.read)),)
    return pipeline_of(job, disk.read).steps or (Step("", job),)


def _bound(step: Step, disk: loader.WorkspaceFiles) -> Job:
    """The step's job with the outputs of earlier steps that it takes as paths, and with the
    environment that a file of its own says."""
    taken = {
        name: replace(step.job.inputs[name], path=f"{other}.{output}")
        for name, (other, output) in step.takes.items()
    }
    environment = environment_of(step.job, disk.read)
    return replace(step.job, inputs={**step.job.inputs, **taken}, environment=environment)


def _part(disk: loader.WorkspaceFiles, step: Step, default: str) -> Part:
    job = _bound(step, disk)
    return Part(
        step=step.name,
        command=" ".join(backend.command_of(job).split()),
        compute=(job.compute or default).removeprefix("azureml:"),
        code=code_here(job.name, job.code),
        environment=_environment(disk.root, job),
        unread=step.problem.what if step.problem else "",
    )


def _environment(root: Path, job: Job) -> Environment:
    given = job.environment
    words = backend.environment_words(given, job)
    folder = code_root(job.name, given.path) if given.kind == "build" else None
    if folder is None or not (root / folder).is_dir():
        return Environment(words)
    size = snapshot.read(root, folder, contents=False).size
    return Environment(words, loader.digest_of(root / folder), folder, size)


def _local_data(root: Path, job: Job, steps: Sequence[Step]) -> Iterator[tuple[str, Snapshot]]:
    """Data inputs that name a path here: Azure ML's client uploads them with the job. Those of a
    pipeline's step are named STEP.INPUT."""
    named = [(name, job.name, one) for name, one in job.inputs.items()]
    for step in steps if job.kind == "pipeline" else ():
        own = [one for one in step.job.inputs if one not in step.takes and one not in step.passes]
        named += [(f"{step.name}.{name}", step.job.name, step.job.inputs[name]) for name in own]
    for name, file, one in named:
        path = one.path or ""
        if one.kind != "data" or not path or path.startswith("${{"):
            continue
        position = locate(file, path, one.type)
        if position.is_here and (root / position.path).exists():
            yield name, snapshot.read(root, position.path, contents=False)


def _overrides(job: Job, experiment: Experiment, sets: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each --set with the value that it has in the job, so that both readers agree; and the
    experiment's name, which the client would take from the folder it is started in."""
    for one in sets:
        path = one.partition("=")[0].strip()
        value: Any = job.document
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else _below(value, key)
        yield path, value
    if not job.experiment_name:
        yield "experiment_name", name_on_azure(experiment.name)


def _below(table: Mapping[Any, Any], key: str) -> Any:
    return next((value for own, value in table.items() if str(own) == key), None)


def _fingerprint(
    job: Job,
    parts: Sequence[Part],
    snapshots: Mapping[str, Snapshot],
    target: Target | None,
) -> str:
    """The same for the same job, code and environment to the same workspace."""
    told = {
        "workspace": target.id if target else "",
        "job": job.document,
        "code": {folder: sent.digest for folder, sent in snapshots.items()},
        "environments": [part.environment.digest for part in parts],
    }
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _known(
    root: Path,
    parts: Sequence[Part],
    snapshots: Mapping[str, Snapshot],
    target: Target | None,
) -> Iterator[tuple[str, str]]:
    if target is None:
        return
    digests = [sent.digest for sent in snapshots.values()]
    for digest in dict.fromkeys([*digests, *(part.environment.digest for part in parts)]):
        entry = submission_store.was_sent(root, workspace_of(target), digest) if digest else None
        if entry is not None:
            yield digest, entry.name


def _chosen_name(job: Job, given: str | None) -> str | None:
    """The name that a person chose, on the command line or in the job file."""
    name = job.document.get("name") if given is None else given
    if name is not None and not _JOB_NAME.fullmatch(str(name)):
        hint = "Write letters, digits, - and _, at most 255, and begin with a letter or digit"
        raise UsageError(f'"{name}" is no name for a job', hint=hint)
    return None if name is None else str(name)


def _new_name(experiment: Experiment) -> str:
    return f"{name_on_azure(experiment.name)}-{execute.new_id()}"
