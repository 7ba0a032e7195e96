"""What `loop doctor` asks of this machine. Each module has functions that take a `Patient` and give
facts; each is asked on its own, all at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..model.experiment import Experiment
from ..model.workspace import Workspace

# How long one program may take to answer, in seconds.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Fact:
    """`state` is "ok", "note" (works, with less) or "bad" (something will not work); `mend` says
    what to do about it."""

    state: str
    name: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """The workspace, its experiments that can be read, and for each other one what is wrong."""

    root: Path
    workspace: Workspace
    experiments: tuple[Experiment, ...]
    broken: dict[str, str] = field(default_factory=dict)


Question = Callable[[Checkup], Iterable[Fact]]


@dataclass(slots=True)
class Asked:
    """A question that was asked, and its answer once it is there."""

    question: Question
    facts: list[Fact] = field(default_factory=list)
    thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.question.__name__.replace("_", " ")


def ask(patient: Checkup, questions: Sequence[Question]) -> Iterator[tuple[list[Fact], list[str]]]:
    """The facts of each question in the order of the questions, as soon as they are there; with
    them, and every tenth of a second in between, the names of those still being asked."""
    asked = [Asked(question) for question in questions]
    for one in asked:
        # A daemon: a program that never answers must not keep the command from its end.
        one.thread = threading.Thread(target=_answer, args=(one, patient), daemon=True)
        one.thread.start()
    for one in asked:
        while one.thread is not None and one.thread.is_alive():
            yield [], [other.name for other in asked if other.thread and other.thread.is_alive()]
            time.sleep(0.05)
        yield one.facts, []


def _answer(one: Asked, patient: Checkup) -> None:
    """A question that cannot be asked is a fact as well: the others must not go down with it."""
    try:
        one.facts.extend(one.question(patient))
    except Exception as error:
        one.facts.append(Fact("note", one.name, f"could not be asked: {error}"))
