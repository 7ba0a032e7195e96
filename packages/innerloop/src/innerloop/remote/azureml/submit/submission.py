"""A submission as a value: everything that would be sent to Azure ML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ....model.experiment import Experiment
from ....model.folder_contents import listed
from ....model.jobs.job import Job
from ....model.paths import is_within
from ....model.run_secrets import secrets_of_job
from ....util.errors import UserError
from ....util.quick_dataclasses import dataclass
from ....util.redaction import Redaction
from ...snapshot import Snapshot, SuspectedSecret
from ...submission_store import job_inputs
from ..workspace_ref import WorkspaceRef

READERS = "everybody in the Azure ML workspace"


@dataclass(frozen=True, slots=True)
class EnvironmentSummary:
    """`words` describe the environment.

    `digest`, `folder`, `size` and the number of `files` are those of the build context; empty where
    Azure ML builds nothing.
    """

    words: str
    digest: str = ""
    folder: str = ""
    size: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class SubmissionPart:
    """The job itself, or one step of a pipeline.

    `command` is the text after substitution; `code` is a folder of the workspace, None where no
    code is sent. `unread` says why a step's command, code and environment are not known here.
    """

    step: str
    command: str
    compute: str
    code: str | None
    environment: EnvironmentSummary
    unread: str = ""


@dataclass(frozen=True, slots=True)
class AzureSubmission:
    """`overrides` are (path, value) on top of the job file, as azure-ai-ml takes them.

    `known` maps a digest to the job it was sent with before. `named`: the user chose the name.
    `unconnected` says why there is no `target`.
    """

    experiment: Experiment
    job: Job
    name: str
    parts: tuple[SubmissionPart, ...]
    snapshots: Mapping[str, Snapshot]
    data: Mapping[str, Snapshot]
    overrides: tuple[tuple[str, Any], ...]
    sets: tuple[str, ...]
    target: WorkspaceRef | None
    fingerprint: str
    known: Mapping[str, str]
    resumes: bool = False
    named: bool = False
    unconnected: UserError | None = None

    @property
    def is_named(self) -> bool:
        return self.named

    @property
    def file_of_name(self) -> str:
        return self.job.name if str(self.job.document.get("name")).lower() == self.name else ""

    @property
    def readers(self) -> str:
        return READERS

    @property
    def notes(self) -> tuple[str, ...]:
        if self.unconnected is None:
            return ()
        return (f"a real submission needs more: {self.unconnected.message()}",)

    @property
    def size(self) -> int:
        """Bytes to upload when the workspace has none of it."""
        contexts = {part.environment.folder: part.environment.size for part in self.parts}
        sizes = [sent.size for sent in (*self.snapshots.values(), *self.data.values())]
        return sum(sizes) + sum(contexts.values())

    @property
    def files(self) -> int:
        """Number of files to upload when the workspace has none of them."""
        contexts = {part.environment.folder: part.environment.files for part in self.parts}
        sent = (*self.snapshots.values(), *self.data.values())
        return sum(len(snapshot.files) for snapshot in sent) + sum(contexts.values())

    @property
    def suspects(self) -> list[tuple[str, SuspectedSecret]]:
        return [
            (folder, suspect)
            for folder, sent in (
                *self.snapshots.items(),
                *((sent.folder, sent) for sent in self.data.values()),
            )
            for suspect in sent.suspects
        ]

    def from_outside(self, root: str) -> list[str]:
        """A clause for each folder that has files of this machine from outside of the workspace."""
        clauses: dict[str, None] = {}
        for sent in (*self.snapshots.values(), *self.data.values()):
            top = os.path.realpath(os.path.join(root, sent.folder))
            if not sent.folder.startswith(("../", "/")) and not is_within(top, root):
                clauses[f"{sent.folder}: it sends what is in {top}"] = None
                continue
            names = [f"{file.name} from {file.source}" for file in sent.outside(root)]
            if names:
                count = f"{len(names):,} file{'s' if len(names) > 1 else ''}"
                clause = f"{sent.folder}: it sends {count} that links lead to: {listed(names)}"
                clauses[clause] = None
        return list(clauses)

    @property
    def redaction(self) -> Redaction:
        """Masks secrets in all that is shown of it; what is sent stays as it is."""
        return secrets_of_job(self.job, os.environ, self.sets)

    def json(self) -> dict[str, Any]:
        document = {
            "experiment": self.experiment.name,
            "backend": "azureml",
            "job": self.name,
            "kind": self.job.kind,
            "file": self.job.name,
            "workspace": None if self.target is None else asdict(self.target),
            "experiment_name": self.job.experiment_name or azure_name(self.experiment.name),
            "parts": [asdict(part) for part in self.parts],
            "command": self.parts[0].command,
            "compute": self.parts[0].compute,
            "inputs": job_inputs(self.job),
            "overrides": dict(self.overrides),
            "snapshots": [_snapshot_json(sent) for sent in self.snapshots.values()],
            "data": {
                name: {"path": sent.folder, "files": len(sent.files), "size": sent.size}
                for name, sent in self.data.items()
            },
            "sent_before": dict(self.known),
            "secrets": [
                {"file": suspect.below(folder), "line": suspect.line, "why": suspect.why}
                for folder, suspect in self.suspects
            ],
            "size": self.size,
            "fingerprint": self.fingerprint,
            "resumes": self.resumes,
        }
        return {key: self.redaction.tree(value) for key, value in document.items()}

    def preview(self) -> Iterator[tuple[str, str]]:
        from . import preview

        return self._masked(preview.rows(self, with_files=False))

    def text(self) -> str:
        from . import preview

        rows = self._masked(preview.rows(self, with_files=True))
        return "".join(f"{title:<13}{text}".rstrip() + "\n" for title, text in rows)

    def _masked(self, rows: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        redaction = self.redaction
        return ((title, redaction.text(text)) for title, text in rows)


def azure_name(name: str) -> str:
    """An experiment's or a job's name with the characters that Azure ML allows."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "experiment"


def workspace_fields(target: WorkspaceRef) -> dict[str, str]:
    return {
        "subscription": target.subscription, "group": target.group, "workspace": target.workspace
    }  # fmt: skip


def _snapshot_json(sent: Snapshot) -> dict[str, Any]:
    return {
        "folder": sent.folder,
        "digest": sent.digest,
        "size": sent.size,
        "files": [
            {"name": file.name, "size": file.size, "linked": file.linked} for file in sent.files
        ],
        "ignore_file": sent.ignore_file,
        "left_out": [asdict(ignored) for ignored in sent.left_out],
    }
