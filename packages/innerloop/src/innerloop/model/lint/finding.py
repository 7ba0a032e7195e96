"""What every rule shares: findings, their severities, and the view of the workspace's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from ...util.errors import UserError
from ...util.position import Position
from ...util.printable import one_line
from ...util.quick_dataclasses import dataclass
from ..asset_files import Find, nothing
from ..jobs.job import Job


class Severity(Enum):
    """How much a finding stands in the way, the worst first."""

    ERROR = "error"
    """The job runs neither here nor on Azure ML."""
    WARNING = "warning"
    """Azure ML refuses the job, or it fails there after the upload. It runs here."""
    INFO = "info"
    """The job runs, but probably not as intended."""

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


ERROR, WARNING, INFO = Severity


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of the finding's file that an editor offers: `text` in place of a token.

    A position without a width (its end is its beginning) inserts the text there.
    """

    title: str
    position: Position
    text: str

    def as_json(self) -> dict[str, str | int]:
        return {"title": self.title, **range_json(self.position), "text": self.text}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a position, and what to do about it.

    `message` is one sentence without a full stop; `hint` says what to do, as an instruction ("" if
    the message says it all). `code` names the kind of problem in kebab-case: scripts rely on it, so
    the wording may improve. The position always has a line and a column. `fixes` are changes of
    which each corrects it, the likeliest first.
    """

    position: Position
    message: str
    hint: str
    code: str
    severity: Severity = ERROR
    fixes: tuple[Fix, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", self.position.whole())

    def error(self) -> UserError:
        """The finding as an exception that ends a command."""
        return UserError(self.message, code=self.code, where=self.position, hint=self.hint)

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN-END: SEVERITY: MESSAGE. HINT [CODE]`, as problem matchers read it."""
        text = UserError(self.message, code=self.code, hint=self.hint).message()
        return one_line(f"{self.position.span()}: {self.severity.value}: {text} [{self.code}]")

    def as_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "file": self.position.file,
            **range_json(self.position),
            "hint": self.hint,
            "fixes": [fix.as_json() for fix in self.fixes],
        }


def range_json(position: Position) -> dict[str, int]:
    """A range on one line; the end is the column after its last character."""
    line, column = position.line, position.column
    end = max(position.end_column, column)
    return {"line": line, "column": column, "end_line": line, "end_column": end}


def finding_of(error: UserError, severity: Severity = ERROR) -> Finding:
    """The error as a finding, with the error's code."""
    position = error.position or Position(error.where)
    at, words = error.meant
    fixes = tuple(Fix(f"Replace it with {word}", at, word) for word in words) if at else ()
    return Finding(position, error.what, error.hint, error.code, severity, fixes)


def refused(
    job: Job,
    path: tuple[str, ...],
    message: str,
    hint: str,
    code: str = "azure-refuses",
    fixes: tuple[Fix, ...] = (),
) -> Finding:
    """A key of the job that Azure ML refuses."""
    return Finding(job.where(*path), message, hint, code, WARNING, fixes)


# Warnings about a job that Azure ML accepts: it costs more than it should, hides its failure, runs
# in another environment than a dev container's shell or than its requirements say, or a file may not
# be what the program expects.
ACCEPTED = {
    "build-context-large",
    "code-large",
    "code-with-outputs",
    "environment-in-start-file",
    "failure-hidden",
    "lock-outdated",
    "pointer-in-code",
    "script-not-executable",
    "submodule-missing",
}


def blocks_submission(findings: Iterable[Finding]) -> bool:
    """Whether `loop submit` refuses a job with them: an error, or a warning that Azure ML refuses."""
    return any(
        finding.severity is not INFO and finding.code not in ACCEPTED for finding in findings
    )


def mapping_of(value: Any) -> Mapping[str, Any]:
    """A value that should be a mapping; an empty one when it is not."""
    return value if isinstance(value, dict) else {}


def find_in(files: Files) -> Find:
    """How these files stand for what Azure ML keeps; not every view of files can look around."""
    find: Find = getattr(files, "find_asset", nothing)
    return find


class Files(Protocol):
    """The workspace as the rules see it.

    Paths are relative to its root, with "/"; one outside of it begins with "../" or "/".
    """

    def exists(self, path: str) -> bool:
        """Whether a file or folder exists, through links."""

    def is_dir(self, path: str) -> bool:
        """Whether the path is a folder, through links."""

    def read(self, path: str) -> str | None:
        """The file's text; None if there is no such file."""

    def links(self, folder: str) -> Sequence[tuple[str, str]]:
        """The path and the target, as written, of every symbolic link below a folder.

        Links are not followed.
        """
