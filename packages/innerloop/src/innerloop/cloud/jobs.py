"""Which submitted job a command is about, and in which workspace or cluster it is."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import Mistake, WrongUse
from ..places.argo.line import Line as ArgoLine
from ..places.argo.target import Cluster
from ..places.azureml import target as targets
from ..places.azureml.line import Line as AzureLine
from ..places.azureml.target import Target
from ..places.line import Line
from . import ledger
from .ledger import Entry

# Names of jobs and of their children; they are names of folders here.
_NAME = re.compile(r"[A-Za-z0-9_][\w.:-]{0,300}")


def choose(root: Path, name: str | None) -> tuple[str, Target | Cluster, Entry | None]:
    """The job that a person named, or the last that was submitted from here. One of the ledger is
    looked for where it went to, whatever is configured now."""
    if name is not None and not _NAME.fullmatch(name):
        raise WrongUse(
            f'"{name}" is no name of a job', mend="`scripts/loop status --all` lists them"
        )
    entry = ledger.last_sent(root) if name is None else ledger.read(root, name)
    if entry is not None and entry.place == "argo":
        return entry.name, Cluster(**entry.workspace), entry
    if entry is not None:
        where = entry.workspace
        source = "the ledger"
        return entry.name, Target(**{**where, "source": source}), entry
    if name is None:
        raise Mistake(
            "no job has been submitted from here yet",
            mend="Submit one with `scripts/loop submit EXP`, or name a job of the workspace",
        )
    return name, targets.find(root), None


def line_to(root: Path, target: Target | Cluster) -> Line:
    """The line to whoever has the job."""
    return ArgoLine(root) if isinstance(target, Cluster) else AzureLine(root)
