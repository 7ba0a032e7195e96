"""The framework of `loop doctor`.

Each check is a function that takes a `Checkup` and yields facts. All checks run at the same time,
in a thread each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util.quick_dataclasses import dataclass

# Limit for one program's answer, in seconds.
PATIENCE = 15.0


State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One result.

    `state`: "ok", "note" (it works, with restrictions) or "bad" (something does not work). `hint`
    says what to do; "" if nothing.
    """

    state: State
    name: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """Input of the checks: the workspace and its experiments.

    `broken` has the error message of each experiment that cannot be read.
    """

    root: Path
    workspace: Workspace
    experiments: tuple[Experiment, ...]
    broken: dict[str, str] = field(default_factory=dict)


Check = Callable[[Checkup], Iterable[Fact]]


@dataclass(slots=True)
class _Running:
    """A check in its thread, and its facts so far."""

    check: Check
    facts: list[Fact] = field(default_factory=list)
    thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.check.__name__.replace("_", " ")


def run(checkup: Checkup, checks: Sequence[Check]) -> Iterator[tuple[list[Fact], list[str]]]:
    """Run the checks at once.

    Yields each check's facts, in the order of the checks, as soon as they are there, and about
    every 50 ms in between the names of the checks that still run.
    """
    running = [_Running(check) for check in checks]
    for entry in running:
        # A daemon thread: a program that never answers must not keep the command from ending.
        entry.thread = threading.Thread(target=_collect, args=(entry, checkup), daemon=True)
        entry.thread.start()
    for entry in running:
        while entry.thread is not None and entry.thread.is_alive():
            yield [], [other.name for other in running if other.thread and other.thread.is_alive()]
            time.sleep(0.05)
        yield entry.facts, []


def _collect(entry: _Running, checkup: Checkup) -> None:
    """An exception in a check becomes a fact: the other checks go on."""
    try:
        entry.facts.extend(entry.check(checkup))
    except Exception as error:
        entry.facts.append(Fact("note", entry.name, f"this check failed: {error}"))
