"""What the Dockerfile of a deploy folder says about its image: its files, its command, its ports.

Source: Dockerfile reference (COPY, WORKDIR, ENTRYPOINT, CMD, EXPOSE, ENV).
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator

from ...util.quick_dataclasses import dataclass
from .dockerfile import Dockerfile, Instruction, Stage, expanded


@dataclass(frozen=True, slots=True)
class Copied:
    """A file or folder of the build's folder, its path in the image, and its line in the Dockerfile."""

    source: str
    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Words:
    """The words of an ENTRYPOINT or CMD, and its line."""

    words: tuple[str, ...]
    line: int


def instructions(dockerfile: Dockerfile) -> Iterator[Instruction]:
    """The instructions of the image, those of the stages below it first."""
    chain: list[Stage] = []
    stage: Stage | None = dockerfile.last
    while stage is not None:
        chain.append(stage)
        stage = stage.below
    for one in reversed(chain):
        yield from dockerfile.effective(one)


def copies(dockerfile: Dockerfile) -> list[Copied]:
    """Where COPY and ADD put what is in the build's folder."""
    folder = "/"
    found: list[Copied] = []
    known = variables(dockerfile)
    for one in instructions(dockerfile):
        if one.keyword == "WORKDIR":
            folder = posixpath.join(folder, expanded(one.rest, known, one.escape))
        elif one.keyword in ("COPY", "ADD"):
            found += _copied(one, folder)
    return found


def _copied(one: Instruction, folder: str) -> Iterator[Copied]:
    words = _words(one)
    if len(words) < 2 or one.heredocs or one.flag("from") is not None:
        return
    *sources, target = words
    into = len(sources) > 1 or target.endswith("/") or target in (".", "..")
    for source in sources:
        plain = posixpath.normpath(source.lstrip("/") or ".")
        name = posixpath.basename(plain)
        # COPY copies a folder's content, not the folder itself. A source without an ending is
        # taken for a folder, because its name does not tell.
        is_folder = plain == "." or "." not in name
        position = posixpath.join(target, name) if into and not is_folder else target
        yield Copied(plain, posixpath.normpath(posixpath.join(folder, position)), one.line)


def starts(dockerfile: Dockerfile) -> Words | None:
    """ENTRYPOINT and CMD as one command; None if only the base image has one."""
    entry: Words | None = None
    command: Words | None = None
    for one in instructions(dockerfile):
        if one.keyword == "ENTRYPOINT":
            entry, command = Words(tuple(_words(one)), one.line), None
        elif one.keyword == "CMD":
            command = Words(tuple(_words(one)), one.line)
    if entry is None or command is None:
        return entry or command
    return Words((*entry.words, *command.words), entry.line)


def exposed(dockerfile: Dockerfile) -> dict[int, int]:
    """Each port of EXPOSE, and its line. Of a range (`8000-8003`), all of its ports."""
    known = variables(dockerfile)
    ports: dict[int, int] = {}
    for one in instructions(dockerfile):
        if one.keyword != "EXPOSE":
            continue
        for word in expanded(one.rest, known, one.escape).split():
            first, _, last = word.partition("/")[0].partition("-")
            if first.isdigit() and (not last or last.isdigit()) and int(last or 0) <= _HIGHEST:
                ports |= dict.fromkeys(range(int(first), int(last or first) + 1), one.line)
    return ports


_HIGHEST = 65535


def variables(dockerfile: Dockerfile) -> dict[str, str]:
    """The variables of ENV."""
    return dict(dockerfile.last.environment)


def folder_of(dockerfile: Dockerfile) -> str:
    """The final working directory; "" if only the base image sets it."""
    folder = ""
    known = variables(dockerfile)
    for one in instructions(dockerfile):
        if one.keyword == "WORKDIR":
            folder = posixpath.join(folder or "/", expanded(one.rest, known, one.escape))
    return folder


def _words(one: Instruction) -> list[str]:
    """The words of the exec form (a JSON array) or of the shell form, without the flags."""
    if (array := one.exec_form) is not None:
        return list(array)
    return _split(one.arguments)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
