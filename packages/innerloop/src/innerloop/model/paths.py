"""Where a job's code and data are on this machine, by their names only."""

from __future__ import annotations

import posixpath
import re

from ..util.errors import UserError
from ..util.position import Position

# Files that exist for the duration of one command, below the workspace's root.
SCRATCH = ".innerloop/scratch"
# Where copies of the code of detached runs are, until they end.
QUEUED = ".innerloop/queued"
# Where a run's own environments are: see `local/tool_environments`.
OWN_ENVIRONMENTS = ".innerloop/environments"
# In a run's folder: the files that its program wrote beside ./outputs.
BESIDE = "beside-outputs"


def local_path(job_file: str, path: str, given: str) -> str:
    """Relative to the workspace's root with "/", or absolute.

    `given` is the path of innerloop.toml, "" if it has none; else see `data_locations.locate`.
    """
    if given:
        return posixpath.normpath(given.replace("\\", "/"))
    from .data_locations import locate  # here: most who need the names need no address

    return locate(job_file, path).path


def code_root(job_file: str, code: str | None) -> str | None:
    """The job's `code:` as a path relative to the workspace's root (it may begin with "..").

    An absolute path is unchanged; None if the job has no code. Raises `UserError` for an address in
    the cloud.
    """
    if code is None:
        return None
    if is_elsewhere(code):
        raise code_elsewhere(code, job_file)
    plain = code.removeprefix("file:").replace("\\", "/")
    if re.match(r"[a-zA-Z]:/", plain):
        return posixpath.normpath(plain)
    return posixpath.normpath(posixpath.join(posixpath.dirname(job_file), plain))


def code_here(job_file: str, code: str | None) -> str | None:
    """As `code_root`, but None for code that is not on this machine."""
    return None if is_elsewhere(code) else code_root(job_file, code)


def code_elsewhere(code: str | None, where: Position | str) -> UserError:
    """The error for code that is not on this machine."""
    return UserError(
        f"the job's code is not in this workspace: {code}",
        code="code-elsewhere",
        where=where,
        hint="Check the code out here and set `code:` to its folder",
    )


def is_elsewhere(code: str | None) -> bool:
    """Whether the code is in a repository or on Azure ML, not on this machine."""
    return code is not None and (
        "://" in code or code.startswith(("azureml:", "git+", "/subscriptions/"))
    )


def is_within(path: str, folder: str) -> bool:
    """Whether a path is the folder or below it.

    Both are absolute or from the same folder, and without links and "..".
    """
    path, folder = path.replace("\\", "/"), folder.replace("\\", "/").rstrip("/")
    return path == folder or path.startswith(f"{folder}/")
