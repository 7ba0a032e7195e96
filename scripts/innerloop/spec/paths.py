"""Where a job's code and data are on this machine, by their names alone."""

from __future__ import annotations

import posixpath
import re

from ..errors import Mistake

_ASSET = re.compile(r"^azureml:(?P<name>[^:@/]+)(?:[:@].+)?$")


def local_path(job_file: str, path: str, given: str) -> str | None:
    """Relative to the workspace's root with "/", or absolute; None when it is in the cloud.

    `given` is innerloop.toml's answer and wins; `azureml:mnist:1` and `azureml:mnist@latest` are
    data/mnist; any other path is relative to the job file.
    """
    if given:
        return posixpath.normpath(given.replace("\\", "/"))
    if asset := _ASSET.match(path):
        return f"data/{asset['name']}"
    if "://" in path:
        return None
    plain = path.removeprefix("file:").replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(job_file), plain))


def code_root(job_file: str, code: str | None) -> str | None:
    """The job's `code:` as a path relative to the workspace's root (it may begin with ".."), or
    None when the job brings no code. A URL is a `Mistake`: nothing local stands for it."""
    if code is None:
        return None
    if "://" in code or code.startswith("azureml:"):
        raise Mistake(
            f"the job's code is not in this workspace: {code}",
            where=job_file,
            mend="Check the code out here and set `code:` to its folder",
        )
    return posixpath.normpath(posixpath.join(posixpath.dirname(job_file), code.replace("\\", "/")))
