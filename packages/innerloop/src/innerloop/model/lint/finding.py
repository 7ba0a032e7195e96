"""What every check of a job file shares: a finding, and the view of the workspace's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...util.errors import UserError
from ..jobs.job import Job

LEVELS = ("wrong", "azure", "hint")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at `where` ("file:line:column"), and what to do (`mend`). `code` is a short
    name of the rule.

    level "wrong": the job can run neither here nor on Azure ML. "azure": Azure ML refuses it, or
    fails after the upload; it runs here. "hint": it runs, but hardly as it was meant.
    """

    where: str
    what: str
    hint: str = ""
    code: str = ""
    level: str = "wrong"

    def message(self) -> str:
        return UserError(self.what, where=self.where, hint=self.hint).message()

    @property
    def position(self) -> tuple[str, int, int]:
        """File, line and column; by which findings are sorted."""
        parts = self.where.rsplit(":", 2)
        numbers = [int(part) for part in parts[1:] if part.isdigit()]
        if len(numbers) == 2:
            return parts[0], numbers[0], numbers[1]
        name, _, line = self.where.rpartition(":")
        return (name, int(line), 0) if line.isdigit() else (self.where, 0, 0)


def finding_of(mistake: UserError, code: str, level: str = "wrong") -> Finding:
    return Finding(mistake.where, mistake.what, mistake.hint, code, level)


def refused(
    job: Job, path: tuple[str, ...], what: str, hint: str, code: str = "refused"
) -> Finding:
    """What Azure ML refuses at a key of the job."""
    return Finding(job.where(*path), what, hint, code, "azure")


def mapping_of(value: Any) -> Mapping[str, Any]:
    """A value that should be a mapping; an empty one when it is not."""
    return value if isinstance(value, dict) else {}


class Files(Protocol):
    """The workspace as the checks see it. Paths are relative to its root, with "/"; one outside
    of it begins with "../" or "/"."""

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there, through links."""

    def is_dir(self, path: str) -> bool:
        """Whether it is a folder, through links."""

    def read(self, path: str) -> str | None:
        """The file's text; None when there is no such file."""

    def links(self, folder: str) -> Sequence[tuple[str, str]]:
        """Every symbolic link below a folder, not looked for through links: its path, and its
        target as it is written."""
