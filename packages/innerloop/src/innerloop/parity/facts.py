"""Compare the facts of each backend: whether they run the same thing, and why some differ. Pure.

Facts are compared after normalization: a path that only one backend has is replaced by its name in
the job (`${{inputs.data}}`, `<code>`), so what remains is a real difference.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from ..util.quick_dataclasses import dataclass
from ..util.redaction import Redaction

ENV_FILE = "env file"
GPU = "gpu"
LOCK = "lock"
SAMPLING, EARLY_TERMINATION = "sampling", "early termination"
ROWS = (
    "command", "cwd", "variables", ENV_FILE, "environment", "image", LOCK, "user", "shm", GPU, "mounts",
    "nodes", "options", SAMPLING, EARLY_TERMINATION, "changes",
)  # fmt: skip
NOT_COMPARED = (
    "what a program reads from the machine by itself (other variables, files, hardware, the network), "
    "who signs in, VS Code's settings and extensions, packages that a development stage installs, tasks "
    "and launch configurations of your own that start another program or job file, other steps and "
    "actions of a workflow, and workflows that no [schedule] generates"
)


@dataclass(frozen=True, slots=True)
class ParityFact:
    """`value` is normalized; `shown` is the backend's own text, "" where it is the same.

    `why` is the reason for a value that differs from the reference's; "" where nothing explains it.
    """

    value: str
    why: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ParityColumn:
    """One backend, or another way to start the job. `absent` says why it has no facts; "" if it has."""

    backend: str
    facts: Mapping[str, ParityFact] = field(default_factory=dict)
    absent: str = ""


@dataclass(frozen=True, slots=True)
class FactDifference:
    """A fact that differs from the reference; without `why` it is unexplained."""

    row: str
    backend: str
    value: str
    expected: str
    why: str


@dataclass(frozen=True, slots=True)
class Parity:
    """`reference` is the backend that the others are compared with."""

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
            if (fact := column.facts.get(row))
            and row in expected
            and fact.value != expected[row].value
        )

    def masked(self, redaction: Redaction) -> Parity:
        """The same without secrets."""

        def fact(one: ParityFact) -> ParityFact:
            return ParityFact(*map(redaction.text, (one.value, one.why, one.shown)))

        columns = (
            replace(column, facts={row: fact(one) for row, one in column.facts.items()})
            for column in self.columns
        )
        return replace(self, columns=tuple(columns))

    @property
    def unexplained(self) -> tuple[FactDifference, ...]:
        return tuple(difference for difference in self.differences if not difference.why)

    def json(self) -> dict[str, Any]:
        differing = {(difference.row, difference.backend) for difference in self.differences}
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
            "not_compared": NOT_COMPARED,
            "unexplained": [
                f"{difference.backend}: {difference.row}" for difference in self.unexplained
            ],
        }


def normalize_paths(text: str, names: Mapping[str, str]) -> str:
    """The text with each path replaced by its name (`names`: path -> name).

    The longest path is replaced first, so that a folder is not replaced within the path of its
    content.
    """
    for path in sorted(names, key=len, reverse=True):
        if path:
            text = text.replace(path, names[path])
    return text


def normalize_command(command: str) -> str:
    """A command as the words that a shell reads, independent of quotes and line breaks.

    A command that a shell cannot parse is only put on one line.
    """
    try:
        return " ".join(shlex.split(command.replace("\\\n", " ")))
    except ValueError:
        return " ".join(command.split())


def join_facts(values: Sequence[str]) -> str:
    """Several facts as one text, sorted."""
    return "; ".join(sorted(dict.fromkeys(values))) or "none"
