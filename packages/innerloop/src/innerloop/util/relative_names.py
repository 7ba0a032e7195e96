"""Names of files that come from elsewhere: a storage service, an archive, a job's outputs."""

from __future__ import annotations

import os
import re

from .errors import UserError


def parts_of(name: str, source: str) -> list[str]:
    """The parts of a file's name below the folder that it is put in, on this system.

    Empty parts and "." are left out. UserError, which names the `source`, for a name that leads out
    of the folder, has a control character or, on Windows, is a device.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or not all(map(_is_plain, parts)):
        raise UserError(
            f"{source} has a file whose name is refused: {name[:200]!a}",
            code="remote-name-refused",
            hint="Rename the file where it is stored; nothing was written outside of the folder",
        )
    return parts


def _is_plain(part: str) -> bool:
    """Whether it is a name, and neither a path nor a command, on POSIX and on Windows."""
    if re.search("[\x00-\x1f\x7f\ud800-\udfff]", part) or re.match("[A-Za-z]:", part):
        return False
    if {"..", ""} & set(part.split("\\")):
        return False
    device = part.split(".")[0].rstrip().lower()
    return os.name != "nt" or not re.fullmatch("con|prn|aux|nul|(com|lpt)[1-9]", device)
