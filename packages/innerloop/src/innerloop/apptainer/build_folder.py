"""The folder that a definition file is built from: its scripts, and the files of each step.

The files of a step are in an archive, so that links, modes and names stay as they are: the copy that
Apptainer makes itself follows links.
"""

from __future__ import annotations

import fnmatch
import io
import os
import posixpath
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..model.dockerfiles.definition import SCRIPT, ContextFiles, Definition
from ..util import files, regular_files
from ..util.errors import UserError
from ..util.position import Position
from ..workspace import loader

DEFINITION = "image.def"


def write(folder: Path, definition: Definition, context: Path, dockerfile: str) -> Path:
    """Write all of it. Returns the definition file. UserError for a file that is not there."""
    for stage in definition.stages:
        if not stage.script:
            continue
        files.write_text(folder / stage.name / SCRIPT, stage.script)
        for step in stage.context:
            archive = _Archive(context, step, dockerfile)
            files.write_stream(folder / stage.name / f"{step.number}.tar", archive.chunks())
    path = folder / DEFINITION
    files.write_text(path, definition.text())
    return path


class _Archive:
    """What one COPY or ADD takes: `INDEX/NAME` for each source; a folder's content is what counts."""

    def __init__(self, context: Path, step: ContextFiles, dockerfile: str) -> None:
        self.context = context
        self.step = step
        self.dockerfile = dockerfile
        self.ignored = loader.ignored_in(context)

    def chunks(self) -> Iterator[bytes]:
        for index, source in enumerate(self.step.sources):
            yield from self._folder(f"{index}")
            for number, name in enumerate(self._matching(source)):
                yield from self._source(name, f"{index}", number)
        if self.step.texts:
            yield from self._folder("texts")
        for name, text in self.step.texts:
            yield from self._file(f"texts/{name}", text.encode("utf-8"), 0o644, 0)
        yield b"\0" * 1024

    def _matching(self, source: str) -> list[str]:
        """The paths that a source means, relative to the context, "" for all of it."""
        pattern = posixpath.normpath("/" + source).lstrip("/")
        if ".." in source.split("/") and posixpath.normpath(source).startswith(".."):
            raise self._error(f"{source} is outside of the build's folder")
        if not re.search(r"[*?\[]", pattern):
            is_sent = not pattern or not self.ignored(pattern) or any(self._names(pattern))
            if not is_sent or not self._is_there(pattern):
                raise self._error(f"there is no {source} in {self.context.name}/")
            return [pattern]
        matches = _matcher(pattern)
        found = [name for name in self._names("") if matches(name)]
        if not found:
            raise self._error(f"no file in {self.context.name}/ is a {source}")
        return sorted(found)

    def _is_there(self, name: str) -> bool:
        """Whether the path exists, in the context itself and not by a link that leads out of it."""
        path = self.context / name
        real = os.path.realpath(path)
        root = os.path.realpath(self.context)
        return os.path.exists(real) and (real == root or real.startswith(root + os.sep))

    def _names(self, below: str) -> Iterator[str]:
        """The files, links and folders in a folder of the context that no pattern excludes.

        A folder comes also where it is excluded and something in it is not.
        """
        top = self.context / below
        for parent, folders, names in os.walk(top):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted([*folders, *names]):
                path = Path(parent, name).relative_to(self.context).as_posix()
                if not self.ignored(path):
                    yield path

    def _source(self, name: str, at: str, number: int) -> Iterator[bytes]:
        path = self.context / name
        if path.is_dir():
            inner = f"{at}/folder{number}"
            yield from self._folder(inner)
            made: set[str] = set()
            for one in self._names(name):
                relative = posixpath.relpath(one, name or ".")
                parent = ""
                for part in relative.split("/")[:-1]:
                    parent = posixpath.join(parent, part)
                    if parent not in made:  # an excluded folder with something that is not
                        made.add(parent)
                        yield from self._folder(f"{inner}/{parent}")
                if (self.context / one).is_dir() and not (self.context / one).is_symlink():
                    made.add(relative)
                yield from self._entry(self.context / one, f"{inner}/{relative}")
            return
        if self.step.unpacks and (unpacked := self._unpacked(path, f"{at}/folder{number}")):
            yield from unpacked
            return
        real = Path(os.path.realpath(path))  # a source that is a link is what it leads to
        yield from self._entry(real, f"{at}/{path.name}")

    def _entry(self, path: Path, name: str) -> Iterator[bytes]:
        status = os.lstat(path)
        mode = status.st_mode & 0o7777
        if stat.S_ISLNK(status.st_mode):
            info = _info(name, 0o777, int(status.st_mtime))
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            yield _header(info)
        elif stat.S_ISDIR(status.st_mode):
            yield from self._folder(name, mode)
        else:
            content = regular_files.read_or_fail(path, loader.LARGEST)
            yield from self._file(name, content, mode, int(status.st_mtime))

    def _unpacked(self, path: Path, at: str) -> list[bytes]:
        """An archive's members below `at`; empty for a file that is no archive."""
        content = regular_files.read_or_fail(path, loader.LARGEST)
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                chunks = [*self._folder(at)]
                for member in archive:
                    chunks += self._member(archive, member, at)
                return chunks
        except (tarfile.TarError, EOFError, OSError, ValueError):
            return []

    def _member(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, at: str
    ) -> Iterator[bytes]:
        name = posixpath.normpath(member.name)
        if name in (".", "") or name.startswith(("/", "..")):
            return
        file = archive.extractfile(member) if member.isreg() else None
        content = file.read() if file is not None else b""
        member.name, member.size = f"{at}/{name}", len(content)
        if member.islnk():
            member.linkname = f"{at}/{posixpath.normpath(member.linkname)}"
        yield _header(member)
        yield _padded(content)

    def _folder(self, name: str, mode: int = 0o755) -> Iterator[bytes]:
        info = _info(f"{name}/", mode, 0)
        info.type = tarfile.DIRTYPE
        yield _header(info)

    def _file(self, name: str, content: bytes, mode: int, time: int) -> Iterator[bytes]:
        info = _info(name, mode, time)
        info.size = len(content)
        yield _header(info)
        yield _padded(content)

    def _error(self, what: str) -> UserError:
        return UserError(
            what,
            code="build-file-missing",
            where=Position(self.dockerfile, self.step.line, 1),
            hint="Check the path, and .dockerignore",
        )


def _info(name: str, mode: int, time: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = mode, time
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 512)


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path is what a source with wildcards means: `*` does not cross a `/`."""
    parts = pattern.split("/")

    def matches(path: str) -> bool:
        names = path.split("/")
        return len(names) == len(parts) and all(map(fnmatch.fnmatchcase, names, parts))

    return matches
