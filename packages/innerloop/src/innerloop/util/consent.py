"""Says what somebody else's job gets of this machine, asks once, and remembers the answer.

An answer is for one workspace on this machine and for exactly what was said: if a change of the job
file asks for something else, the question comes again. It is kept in the user's cache, where no
workspace can write it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import console, files
from .cache_folder import cache_folder
from .digests import sha256
from .errors import UserError

# What was said in this process: a sweep's trials get the same.
_said: set[str] = set()


def require(root: Path, subject: str, grants: Sequence[str], *, trusted: bool = False) -> None:
    """Return if the person agrees, has agreed before, or nobody can be asked.

    `subject` is what gets it ("the job src/a/azure-ml-job.yaml"). `trusted`: the person has agreed by an
    option. Without a terminal each grant is printed, and the command goes on. UserError if the
    answer is no.
    """
    if not grants:
        return
    path = record_of(root, subject, grants)
    key = path.name
    if path.is_file() or key in _said:
        return
    console.say(f"{subject} gets more of this machine than its workspace:")
    for grant in grants:
        console.say(f"  {grant}")
    if not trusted and console.can_ask():
        if not console.ask("Let it? (asked once for this workspace and this list)"):
            raise UserError(
                f"{subject} was not started",
                code="not-trusted",
                hint="Change the file that asks for it, or answer y if you trust the workspace",
            )
        trusted = True
    _said.add(key)
    if trusted:
        files.write_private(path, "\n".join([str(root), subject, *grants, ""]))


def record_of(root: Path, subject: str, grants: Sequence[str]) -> Path:
    """The file that remembers the answer."""
    text = "\0".join([os.path.realpath(root), subject, *sorted(grants)])
    return cache_folder() / "consent" / sha256(text.encode("utf-8", "replace")).hexdigest()
