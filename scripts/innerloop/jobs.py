"""Which submitted job a command is about, and in which workspace it is."""

from __future__ import annotations

from pathlib import Path

from . import ledger
from .errors import Mistake
from .ledger import Entry
from .places.azureml import target as targets
from .places.azureml.target import Target


def choose(root: Path, name: str | None) -> tuple[str, Target, Entry | None]:
    """The job that a person named, or the last that was submitted from here. One of the ledger is
    looked for in the workspace that it went to, whatever is configured now."""
    entry = ledger.last_sent(root) if name is None else ledger.read(root, name)
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
