"""Whether every place runs the same thing: facts of each place side by side, and why some differ.

A fact is compared in words that all places share: a path that only one place has is written by
its name in the job (`${{inputs.data}}`, `<code>`), so what is left is a real difference. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROWS = ("command", "cwd", "variables", "environment", "image", "user", "shm", "mounts")


@dataclass(frozen=True, slots=True)
class ParityFact:
    """`value` in the words that places share; `shown` is how this place itself writes it, where
    that is another text. `why` explains a value that differs from the reference's."""

    value: str
    why: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ParityColumn:
    """One place. `absent` says why it has no facts here (a job that has no such form)."""

    backend: str
    facts: Mapping[str, ParityFact] = field(default_factory=dict)
    absent: str = ""


@dataclass(frozen=True, slots=True)
class FactDifference:
    """A place that differs from the reference in one row; without `why`, nobody meant it to."""

    row: str
    backend: str
    value: str
    expected: str
    why: str


@dataclass(frozen=True, slots=True)
class Parity:
    """`reference` is the place that the others are held against: what the cloud would run."""

    experiment: str
    reference: str
    columns: tuple[ParityColumn, ...]

    @property
    def differences(self) -> tuple[FactDifference, ...]:
        expected = next(c.facts for c in self.columns if c.backend == self.reference)
        return tuple(
            FactDifference(row, column.backend, fact.value, expected[row].value, fact.why)
            for row in ROWS
            for column in self.columns
            if (fact := column.facts.get(row)) and fact.value != expected[row].value
        )

    @property
    def unexplained(self) -> tuple[FactDifference, ...]:
        return tuple(one for one in self.differences if not one.why)

    def json(self) -> dict[str, Any]:
        differing = {(one.row, one.backend): one for one in self.differences}
        return {
            "experiment": self.experiment,
            "reference": self.reference,
            "backends": {
                column.backend: (
                    {"absent": column.absent}
                    if column.absent
                    else {
                        row: {
                            "value": fact.value,
                            "shown": fact.shown or fact.value,
                            "same": (row, column.backend) not in differing,
                            "why": fact.why if (row, column.backend) in differing else "",
                        }
                        for row, fact in column.facts.items()
                    }
                )
                for column in self.columns
            },
            "unexplained": [f"{one.backend}: {one.row}" for one in self.unexplained],
        }


def normalize_paths(text: str, names: Mapping[str, str]) -> str:
    """The text with each path that `names` has (path -> name) written by its name, the longest
    path first: a folder's name does not hide in that of what lies in it."""
    for path in sorted(names, key=len, reverse=True):
        if path:
            text = text.replace(path, names[path])
    return text


def normalize_command(command: str) -> str:
    """A command as the words that a shell makes of it, whichever way they were quoted or broken
    into lines; one that a shell would not take is only put on one line."""
    try:
        return " ".join(shlex.split(command.replace("\\\n", " ")))
    except ValueError:
        return " ".join(command.split())


def join_facts(values: Sequence[str]) -> str:
    """Several facts as one, in an order of their own."""
    return "; ".join(sorted(dict.fromkeys(values))) or "none"
