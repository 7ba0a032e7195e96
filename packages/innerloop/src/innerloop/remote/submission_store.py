"""The submission store: a folder per job in `.innerloop/jobs/`, which git ignores.

    job.json        what was sent, from which commit, where to, and how far the submission got
    changes.patch   what was not committed, on top of that commit; only if there was something

A record is written before its job is sent and again when it has arrived. A record of a job that may
not have arrived gives the next submission of the same thing the name to go on with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ..history.git_state import GitState
from ..model.jobs.job import Job
from ..model.run_secrets import in_assignments
from ..util import files, json_records, redaction
from ..util.errors import UserError
from ..util.json_records import Record, RecordError
from ..util.late_patterns import late_pattern
from ..util.printable import unicode_tree
from ..util.quick_dataclasses import dataclass
from ..util.redaction import is_secret_name

FOLDER = ".innerloop/jobs"
LOCK = ".innerloop/submitting.lock"
# Values of `state`. A job that is "sending" may or may not have arrived; an "unsent" one has not, and
# the next attempt keeps its name.
SENDING, SENT, REFUSED, UNSENT = "sending", "sent", "refused", "unsent"


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """One submission.

    `fingerprint` is the same for two submissions of the same thing to the same workspace or
    cluster, which `workspace` names. `status` is the job's status when it was last asked for, `at`
    the time of the submission (UTC), `backend` a name of `base.BACKENDS`. `kept` says where
    ./outputs are if `loop download` cannot fetch them.
    """

    name: str
    experiment: str
    slug: str
    file: str
    workspace: Mapping[str, str]
    state: str
    fingerprint: str
    at: str
    kind: str = "command"
    sets: tuple[str, ...] = ()
    command: str = ""
    compute: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""
    snapshots: Mapping[str, str] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    status: str = ""
    backend: str = "azureml"
    kept: str = ""

    @property
    def outputs(self) -> str:
        """Where its outputs are put, relative to the workspace's root, as for local runs."""
        return f"outputs/{self.slug}/{self.name}"


def write(root: Path, job: SubmittedJob, patch: str = "") -> None:
    folder = root / FOLDER / job.name
    secret = [*in_assignments(job.sets)]
    secret += [str(value) for name, value in job.inputs.items() if is_secret_name(name)]
    masked = redaction.known(os.environ, values=secret).tree(asdict(job))
    text = json.dumps(unicode_tree(masked), indent=2, ensure_ascii=False) + "\n"
    files.write_text(folder / "job.json", text)
    if patch:
        files.write_private(folder / "changes.patch", patch)


def write_file(root: Path, job: SubmittedJob, name: str, text: str) -> None:
    """Writes another file to a job's folder."""
    files.write_text(root / FOLDER / job.name / name, text)


_Ref = TypeVar("_Ref")


def where_sent(kind: type[_Ref], workspace: Mapping[str, str], **more: str) -> _Ref:
    """The workspace or cluster that a record names. UserError if its names are not those of `kind`."""
    try:
        return kind(**{**workspace, **more})
    except TypeError as error:
        raise UserError(
            "the record of this submission does not say where the job was sent",
            code="record-unreadable",
            where=FOLDER,
            hint="`scripts/loop status --all` lists the submissions; name another job",
        ) from error


def update(root: Path, job: SubmittedJob, **changes: Any) -> SubmittedJob:
    """The job with changed fields, which are written too."""
    changed = replace(job, **changes)
    write(root, changed)
    return changed


def read(root: Path, name: str) -> SubmittedJob | None:
    """The submission of this name; None if there is none. UserError if its record cannot be read."""
    try:
        return _read_job(root / FOLDER / name)
    except RecordError as error:
        raise _unreadable(name, error) from error


def all_jobs(root: Path) -> list[SubmittedJob]:
    """Every submission whose record can be read, the newest last."""
    return _all(root)[0]


def unreadable(root: Path) -> list[UserError]:
    """An error for each submission whose record cannot be read."""
    return _all(root)[1]


def _all(root: Path) -> tuple[list[SubmittedJob], list[UserError]]:
    folder = root / FOLDER
    jobs: list[SubmittedJob] = []
    errors: list[UserError] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            if (job := _read_job(path)) is not None:
                jobs.append(job)
        except RecordError as error:
            errors.append(_unreadable(path.name, error))
    return sorted(jobs, key=lambda job: (job.at, job.name)), errors


def _unreadable(name: str, error: RecordError) -> UserError:
    return UserError(
        f"this record of a submission cannot be read: {error.what}",
        code="record-unreadable",
        where=error.position(f"{FOLDER}/{name}/job.json"),
        hint="Delete it; the job itself is not affected",
    )


def last_submitted(root: Path) -> SubmittedJob | None:
    return next((job for job in reversed(all_jobs(root)) if job.state == SENT), None)


def require_new(root: Path, name: str, of_file: str = "") -> None:
    """Raises UserError if a job of this name was submitted.

    `of_file` is the job file that says the name, "" where it came from elsewhere.
    """
    known = read(root, name)
    if known is not None and known.state == SENT:
        other = f"remove name: from {of_file}" if of_file else "omit it"
        raise UserError(
            f'a job "{name}" was submitted from here already',
            code="job-name-taken",
            hint=f"Choose another --name, or {other}",
        )


def find_interrupted(root: Path, fingerprint: str) -> SubmittedJob | None:
    """The last submission of the same thing, if it has not arrived, or may not have."""
    same = [job for job in all_jobs(root) if job.fingerprint == fingerprint]
    return same[-1] if same and same[-1].state in (SENDING, UNSENT) else None


@contextmanager
def exclusive(root: Path) -> Iterator[frozenset[str]]:
    """Lets one submission from this workspace at a time plan and send its job.

    Yields the names of the jobs that were there before it waited for its turn: of those that it
    finds beside them, one of the same thing was submitted at the same moment (`find_simultaneous`).
    """
    before = frozenset(job.name for job in all_jobs(root) if job.state == SENT)
    with files.locked(root / LOCK, waiting="innerloop: waiting for another submission from here"):
        yield before


def find_simultaneous(root: Path, fingerprint: str, before: frozenset[str]) -> SubmittedJob | None:
    """The job of the same thing that another process sent while this one waited for its turn."""
    for job in reversed(all_jobs(root)):
        if job.fingerprint == fingerprint and job.state == SENT and job.name not in before:
            return job
    return None


def find_by_digest(root: Path, workspace: Mapping[str, str], digest: str) -> SubmittedJob | None:
    """The last job that brought a snapshot or an environment of this digest to this workspace."""
    for job in reversed(all_jobs(root)):
        digests = {job.environment, *job.snapshots.values()}
        if job.state == SENT and dict(job.workspace) == dict(workspace) and digest in digests:
            return job
    return None


def git_fields(state: GitState | None) -> tuple[dict[str, Any], str]:
    """What a record keeps of the code: commit and changed files, and the patch; empty without git."""
    return (state.json(), state.patch) if state is not None else ({}, "")


def job_inputs(job: Job) -> dict[str, str]:
    """A job's inputs that have a value: the literal as text, or the path."""
    return {
        name: input_.literal_text if input_.kind == "literal" else input_.path or ""
        for name, input_ in job.inputs.items()
        if input_.has_value
    }


def _read_job(folder: Path) -> SubmittedJob | None:
    """The record in a job's folder; None if there is none. Raises RecordError for any other content.

    Its name and its slug become paths, so they are checked as such.
    """
    record = json_records.read_file(folder / "job.json")
    if record is None:
        return None
    _require_name(record, folder.name)
    return SubmittedJob(
        name=record.as_name("name"),
        slug=record.as_name("slug"),
        **{key: record.as_str(key) for key in ("experiment", "file", "state", "fingerprint", "at")},
        **{
            key: record.as_str(key, default)
            for key, default in (
                ("kind", "command"), ("command", ""), ("compute", ""), ("environment", ""),
                ("url", ""), ("status", ""), ("backend", "azureml"), ("kept", ""),
            )
        },
        workspace=record.as_map_of("workspace", str),
        sets=record.as_list_of("sets", str, ()),
        inputs=record.as_map_of("inputs", object, {}),
        snapshots=record.as_map_of("snapshots", str, {}),
        git=record.as_mapping("git", {}),
    )  # fmt: skip


_BACKEND = late_pattern("[a-z][a-z0-9-]*")


def _require_name(record: Record, folder: str) -> None:
    if record.as_name("name") != folder:
        record.fail("name", "is not the name of its folder")
    if not _BACKEND.fullmatch(record.as_str("backend", "azureml")):
        record.fail("backend", "is not the name of a backend")
