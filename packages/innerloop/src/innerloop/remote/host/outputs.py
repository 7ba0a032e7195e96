"""Brings back what a job left in ./outputs on another machine, while it is read from there."""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from ...history.recorder import FOLDER
from ...util import console, files
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass
from .host import RemoteHost

_CHUNK = 1 << 20
# The agent's exit code for an archive in which files are missing, or that changed meanwhile.
INCOMPLETE = 3
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The number of files and of bytes that have arrived.

    `incomplete` says which files were not read as they are: a job that runs changes them.
    """

    files: int
    size: int
    incomplete: tuple[str, ...] = ()

    def error(self, host: RemoteHost, job: str) -> UserError:
        return UserError(
            f"not all outputs of {job} have arrived from {host.ref.remote}: "
            + "; ".join(self.incomplete[:_SHOWN]),
            code="outputs-incomplete",
            where=job,
            hint="They are kept there: correct what is named above, then `scripts/loop download "
            f"{job.rpartition('/')[2]}`",
        )


def download(host: RemoteHost, job: str, into: Path, output: str = "") -> Downloaded:
    """Write the job's outputs, or one of them, below `into`.

    Each file is whole or not there. ConnectionLost if the connection ends on the way: the same call
    again brings the rest. What leads out of the folder is left out and named.
    """
    if output.startswith("/") or ".." in output.split("/"):
        raise UserError(
            f"{output} is not an output",
            code="output-unknown",
            where=job,
            hint="Name one of the job's outputs, or a path in ./outputs",
        )
    count = size = 0
    with host.listen("outputs", job, output or ".") as stream:
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
                for member in archive:
                    written = _write(archive, member, into)
                    count += written is not None
                    size += written or 0
        except (tarfile.TarError, EOFError):
            if stream.code() == 0:
                raise
        while stream.chunk():
            pass  # what fills up the last block
        incomplete: tuple[str, ...] = ()
        if stream.code() == INCOMPLETE and "tar" in stream.errors:
            lines = (line.strip() for line in stream.errors.splitlines())
            incomplete = tuple(line for line in lines if line) or ("tar failed",)
        elif stream.code() != 0:
            raise host.lost(stream)
    return Downloaded(count, size, incomplete)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> int | None:
    """Write a file, and return its bytes; None for what is no file."""
    name = _name(member.name)
    if name is None or _has_link(into, posixpath.dirname(name)):
        console.say(f"{member.name!r} of the outputs leads out of their folder: left out")
        return None
    if not name or name.split("/")[0] == FOLDER:
        return None  # the run's own record
    path = into / name
    if member.isdir():
        files.make_folder(path)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        files.write_stream(path, _chunks(content), executable=bool(member.mode & 0o100))
        return member.size
    elif member.islnk():
        target = _name(member.linkname)
        if target and not _has_link(into, target) and (into / target).is_file():
            files.copy(into / target, path)
            return path.stat().st_size
        console.say(f"{name} of the outputs is a file that has not come: left out")
    elif member.issym():
        _link(path, name, member.linkname)
    return None


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _name(text: str) -> str | None:
    """A path in the outputs, "" for their folder; None for one that leads out of it."""
    path = posixpath.normpath(text)
    if path == ".." or path.startswith(("/", "../")):
        return None
    return "" if path == "." else path


def _has_link(folder: Path, name: str) -> bool:
    """Whether a link is on the way: an archive of a folder has nothing behind its links."""
    parts = name.split("/") if name else []
    return any((folder / "/".join(parts[: end + 1])).is_symlink() for end in range(len(parts)))


def _link(path: Path, name: str, target: str) -> None:
    """Links within the outputs stay links; where this machine has none, they are left out."""
    inside = _name(posixpath.join(posixpath.dirname(name), target))
    # A ".." behind another link would lead to where that leads.
    has_detour = re.search(r"(?:^|/)(?!\.\.?/)[^/]+/+(?:\./+)*\.\.(?:/|$)", target) is not None
    if target.startswith("/") or inside is None or has_detour:
        console.say(f"the link {name} of the outputs leads out of their folder: left out")
        return
    if os.path.lexists(path):
        return
    with suppress(UserError):
        files.make_folder(path.parent)
        files.make_link(path, target)
