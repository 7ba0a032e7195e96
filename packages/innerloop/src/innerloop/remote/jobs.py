"""Which submitted job a command is about, and in which workspace or cluster it is."""

from __future__ import annotations

import re
from pathlib import Path

from ..util.errors import UsageError, UserError
from . import submission_store
from .argo.cluster_ref import Cluster
from .argo.connection import Line as ArgoLine
from .azureml import workspace_ref
from .azureml.connection import Line as AzureLine
from .azureml.workspace_ref import Target
from .submission_store import Entry
from .worker.client import Line

# Names of jobs and of their children; they are names of folders here.
_NAME = re.compile(r"[A-Za-z0-9_][\w.:-]{0,300}")


def choose(root: Path, name: str | None) -> tuple[str, Target | Cluster, Entry | None]:
    """The job that a person named, or the last that was submitted from here. One of the ledger is
    looked for where it went to, whatever is configured now."""
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is no name of a job', hint="`scripts/loop status --all` lists them"
        )
    entry = submission_store.last_sent(root) if name is None else submission_store.read(root, name)
    if entry is not None and entry.backend == "argo":
        return entry.name, Cluster(**entry.workspace), entry
    if entry is not None:
        where = entry.workspace
        source = "the ledger"
        return entry.name, Target(**{**where, "source": source}), entry
    if name is None:
        raise UserError(
            "no job has been submitted from here yet",
            hint="Submit one with `scripts/loop submit EXP`, or name a job of the workspace",
        )
    return name, workspace_ref.find(root), None


def line_to(root: Path, target: Target | Cluster) -> Line:
    """The line to whoever has the job."""
    return ArgoLine(root) if isinstance(target, Cluster) else AzureLine(root)
