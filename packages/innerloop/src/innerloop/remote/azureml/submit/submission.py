"""A submission as a value: what would be sent to Azure ML, whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ....model.experiment import Experiment
from ....model.jobs.job import Job
from ....model.lint.job_file import Finding
from ... import snapshot
from ...snapshot import Snapshot
from ..workspace_ref import Target


@dataclass(frozen=True, slots=True)
class Environment:
    """`digest` is that of the build context ("" where Azure ML builds nothing); `words` name it."""

    words: str
    digest: str = ""
    folder: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What runs as one: the job itself, or a step of a pipeline. `command` is the text after
    substitution; `code` is a folder of the workspace, None where nothing is sent. `unread` says
    why a step's command, code and environment are not known here."""

    step: str
    command: str
    compute: str
    code: str | None
    environment: Environment
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """`overrides` are (path, value) on top of the job file, as azure-ai-ml takes them. `known`
    says for a digest with which job it was sent before. `named`: a person chose the name."""

    experiment: Experiment
    job: Job
    name: str
    parts: tuple[Part, ...]
    snapshots: Mapping[str, Snapshot]
    data: Mapping[str, Snapshot]
    overrides: tuple[tuple[str, Any], ...]
    sets: tuple[str, ...]
    target: Target | None
    fingerprint: str
    known: Mapping[str, str]
    hints: tuple[Finding, ...]
    resumes: bool = False
    named: bool = False

    @property
    def file_of_name(self) -> str:
        """The job file, where it is what names the job."""
        return self.job.name if str(self.job.document.get("name")) == self.name else ""

    @property
    def size(self) -> int:
        """Bytes to upload when nothing is there yet."""
        contexts = {one.environment.folder: one.environment.size for one in self.parts}
        told = [one.size for one in (*self.snapshots.values(), *self.data.values())]
        return sum(told) + sum(contexts.values())

    @property
    def suspects(self) -> list[tuple[str, snapshot.Suspect]]:
        """Likely secrets, each with the folder that it is sent with."""
        return [(folder, one) for folder, sent in self.snapshots.items() for one in sent.suspects]

    def json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment.name,
            "backend": "azureml",
            "job": self.name,
            "kind": self.job.kind,
            "file": self.job.name,
            "workspace": None if self.target is None else asdict(self.target),
            "experiment_name": self.job.experiment_name or name_on_azure(self.experiment.name),
            "parts": [asdict(part) for part in self.parts],
            "command": self.parts[0].command,
            "compute": self.parts[0].compute,
            "inputs": inputs_of(self.job),
            "overrides": dict(self.overrides),
            "snapshots": [_snapshot(sent) for sent in self.snapshots.values()],
            "data": {
                name: {"path": sent.folder, "files": len(sent.files), "size": sent.size}
                for name, sent in self.data.items()
            },
            "sent_before": dict(self.known),
            "secrets": [
                {"file": one.below(folder), "line": one.line, "why": one.why}
                for folder, one in self.suspects
            ],
            "size": self.size,
            "fingerprint": self.fingerprint,
            "resumes": self.resumes,
        }


def name_on_azure(name: str) -> str:
    """An experiment's or a job's name in the letters that Azure ML takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "experiment"


def inputs_of(job: Job) -> dict[str, str]:
    return {
        name: one.literal_text if one.kind == "literal" else one.path or ""
        for name, one in job.inputs.items()
        if one.has_value
    }


def workspace_of(target: Target) -> dict[str, str]:
    return {
        "subscription": target.subscription, "group": target.group, "workspace": target.workspace
    }  # fmt: skip


def _snapshot(sent: Snapshot) -> dict[str, Any]:
    return {
        "folder": sent.folder,
        "digest": sent.digest,
        "size": sent.size,
        "files": [{"name": one.name, "size": one.size, "linked": one.linked} for one in sent.files],
        "ignore_file": sent.ignore_file,
        "left_out": [asdict(one) for one in sent.left_out],
    }
