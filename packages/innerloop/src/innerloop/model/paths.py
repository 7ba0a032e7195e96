"""Where a job's code and data are on this machine, by their names alone."""

from __future__ import annotations

import posixpath
import re

from ..util.errors import UserError
from .data_locations import locate

# Where what is needed for the length of one command lies, below the workspace's root.
SCRATCH = ".innerloop/scratch"


def local_path(job_file: str, path: str, given: str) -> str:
    """Relative to the workspace's root with "/", or absolute.

    `given` is innerloop.toml's answer and wins; else see `locations.locate`.
    """
    if given:
        return posixpath.normpath(given.replace("\\", "/"))
    return locate(job_file, path).path


def code_root(job_file: str, code: str | None) -> str | None:
    """The job's `code:` as a path relative to the workspace's root (it may begin with ".."), an
    absolute one as it is, or None when the job brings no code. An address in the cloud is a
    `Mistake`: nothing local stands for it."""
    if code is None:
        return None
    if is_elsewhere(code):
        raise code_elsewhere(code, job_file)
    plain = code.removeprefix("file:").replace("\\", "/")
    if re.match(r"[a-zA-Z]:/", plain):
        return posixpath.normpath(plain)
    return posixpath.normpath(posixpath.join(posixpath.dirname(job_file), plain))


def code_here(job_file: str, code: str | None) -> str | None:
    """The same; None as well for code that is not on this machine."""
    return None if is_elsewhere(code) else code_root(job_file, code)


def code_elsewhere(code: str | None, where: str) -> UserError:
    return UserError(
        f"the job's code is not in this workspace: {code}",
        where=where,
        hint="Check the code out here and set `code:` to its folder",
    )


def is_elsewhere(code: str | None) -> bool:
    """Whether Azure ML takes the code from a repository, or keeps it."""
    return code is not None and (
        "://" in code or code.startswith(("azureml:", "git+", "/subscriptions/"))
    )
