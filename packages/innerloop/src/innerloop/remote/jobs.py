"""Which submitted job a command is about, and the backend that has it."""

from __future__ import annotations

from pathlib import Path

from ..util.errors import UsageError, UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from . import base, submission_store
from .base import RemoteBackend
from .submission_store import SubmittedJob

# Names of jobs and of their children; they are names of folders here.
_NAME = late_pattern(r"[A-Za-z0-9_][\w.:-]{0,300}")


def _record(root: Path, name: str | None) -> SubmittedJob | None:
    """Azure ML's client sends names in small letters: a record is found by either spelling."""
    if name is None:
        return submission_store.last_submitted(root)
    record = submission_store.read(root, name)
    return submission_store.read(root, name.lower()) if record is None else record


@dataclass(frozen=True, slots=True)
class ChosenJob:
    """A job's name and its backend.

    `record` is what is kept of its submission; None for a job that was not submitted from this
    workspace.
    """

    name: str
    backend: RemoteBackend
    record: SubmittedJob | None


def is_submitted(root: Path, name: str | None) -> bool:
    """Whether a job of this name, or any job, was submitted from here."""
    if name is None:
        return submission_store.last_submitted(root) is not None
    return bool(_NAME.fullmatch(name)) and submission_store.read(root, name) is not None


def choose(root: Path, name: str | None) -> ChosenJob:
    """The job of this name, or the last one that was submitted from here.

    A job with a record is looked for where it was sent, whatever is configured now.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is not the name of a job',
            code="job-name-invalid",
            hint="`scripts/loop status --all` lists them",
        )
    record = _record(root, name)
    if record is not None:
        backend = base.open_backend(record.backend, root, record.workspace)
        return ChosenJob(record.name, backend, record)
    if name is None:
        raise UserError(
            "no job has been submitted from here yet",
            code="no-submission",
            hint="Submit one with `scripts/loop submit EXP`, or name a job of the workspace",
        )
    return ChosenJob(name, base.open_backend(base.DEFAULT, root), None)
