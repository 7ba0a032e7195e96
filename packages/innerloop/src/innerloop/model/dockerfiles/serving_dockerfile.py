"""What the Dockerfile of a deploy folder says about its image: its files, its command, its ports.

Source: Dockerfile reference (COPY, WORKDIR, ENTRYPOINT, CMD, EXPOSE, ENV).
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .dockerfile import Dockerfile, Instruction, Stage


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
    while stage is not None and stage not in chain:
        chain.append(stage)
        below = dockerfile.stage(stage.base)
        stage = below if below is not None and below.line < stage.line else None
    for one in reversed(chain):
        yield from one.instructions


def copies(dockerfile: Dockerfile) -> list[Copied]:
    """Where COPY and ADD put what is in the build's folder."""
    folder = "/"
    found: list[Copied] = []
    for one in instructions(dockerfile):
        if one.keyword == "WORKDIR":
            folder = posixpath.join(folder, one.rest.strip().strip("\"'"))
        elif one.keyword in ("COPY", "ADD"):
            found += _copied(one, folder)
    return found


def _copied(one: Instruction, folder: str) -> Iterator[Copied]:
    words = _list(one.rest)
    while words and words[0].startswith("--"):
        if words[0].startswith("--from="):
            return
        words = words[1:]
    if len(words) < 2 or "<<" in one.rest:
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
            entry, command = Words(tuple(_list(one.rest)), one.line), None
        elif one.keyword == "CMD":
            command = Words(tuple(_list(one.rest)), one.line)
    if entry is None or command is None:
        return entry or command
    return Words((*entry.words, *command.words), entry.line)


def exposed(dockerfile: Dockerfile) -> dict[int, int]:
    """Each port of EXPOSE, and its line."""
    return {
        int(word.split("/")[0]): one.line
        for one in instructions(dockerfile)
        if one.keyword == "EXPOSE"
        for word in one.rest.split()
        if word.split("/")[0].isdigit()
    }


def variables(dockerfile: Dockerfile) -> dict[str, str]:
    """The variables of ENV."""
    found: dict[str, str] = {}
    for one in instructions(dockerfile):
        if one.keyword != "ENV":
            continue
        words = _split(one.rest)
        if words and "=" not in words[0]:  # the older form: ENV NAME value
            found[words[0]] = one.rest.strip().partition(" ")[2].strip()
            continue
        for word in words:
            name, _, value = word.partition("=")
            found[name] = value
    return found


def folder_of(dockerfile: Dockerfile) -> str:
    """The final working directory; "" if only the base image sets it."""
    folder = ""
    for one in instructions(dockerfile):
        if one.keyword == "WORKDIR":
            folder = posixpath.join(folder or "/", one.rest.strip().strip("\"'"))
    return folder


def _list(rest: str) -> list[str]:
    """The words of the exec form (a JSON array) or of the shell form."""
    text = rest.strip()
    flags = re.match(r"(?:--\S+\s+)*", text)
    at = flags.end() if flags else 0
    if text[at:].startswith("["):
        try:
            return [*text[:at].split(), *map(str, json.loads(text[at:]))]
        except ValueError:
            pass
    return _split(text)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
