"""Failures in a program's output, by file and line of the workspace.

They are Python's tracebacks and pytest's failures.

The paths in the output are those of the backend (a container, a view of the code); failures have
the paths of the workspace.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .experiment_paths import SOURCES
from .paths import is_within

# Colours, and torchrun's prefix of each line of a process.
_DECORATION = late_pattern(r"\x1b\[[0-9;?]*[A-Za-z]|^\[rank\d+\]:\s?", re.MULTILINE)
_FRAME = late_pattern(r'^\s*(?:E\s+)?File "(?P<path>.+)", line (?P<line>\d+)')
_LOCATION = late_pattern(r"^(?P<path>(?!E\s)\S.*?):(?P<line>\d+): ?")
_STARTS = "Traceback (most recent call last):"
_GOES_ON = late_pattern(r"(During handling of the above|The above exception was the direct cause)")
_ERROR = late_pattern(r"^[A-Za-z_][\w.]*(: .*|$)")
_NAMED_ERROR = late_pattern(r"(\w+\.)*\w*(Error|Exception|Exit|Failed)\b")
_HEADER = late_pattern(r"^_{2,} (?P<name>.+?) _{2,}$")
_CLOSING = late_pattern(r"^=+ .* =+$")


@dataclass(frozen=True, slots=True)
class Failure:
    """`file` is relative to the workspace's root, with "/"; `line` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:1: error: {self.message}"


@dataclass(frozen=True, slots=True)
class PathMapping:
    """How a backend's paths map to the workspace.

    `cwd` is `folder` (relative to the root), and `roots` are the paths that the workspace's root
    may have. `others` are further places with the experiment's code, relative to the root.
    """

    cwd: str
    folder: str
    roots: Sequence[str]
    others: Sequence[str] = ()

    def to_workspace(self, path: str) -> str | None:
        """A printed path, relative to the workspace's root; None if it is not the workspace's code."""
        path = path.replace("\\", "/")
        if not posixpath.isabs(path) and not re.match(r"[A-Za-z]:/", path):
            found = posixpath.normpath(posixpath.join(self.folder, path))
        else:
            found = next(
                (
                    posixpath.normpath(posixpath.join(folder, path[len(start) :].lstrip("/")))
                    for start, folder in [(self.cwd, self.folder), *((r, "") for r in self.roots)]
                    if path.startswith(start.rstrip("/") + "/")
                ),
                "..",
            )
        places = (SOURCES, self.folder, *self.others)
        is_inside = any(is_within(found, place) or place == "." for place in places)
        is_hidden = found.startswith(".")  # out of the workspace, or the tool's and the editor's
        ours = is_inside and not is_hidden and "site-packages" not in found
        return found if ours else None


def tracebacks(text: str, mapping: PathMapping) -> list[Failure]:
    """One for each final traceback; the position is the last one in the workspace's code."""
    found: list[Failure] = []
    position: tuple[str, int] | None = None
    lines = _plain(text)
    for number, line in enumerate(lines):
        if line.lstrip().startswith(_STARTS):
            position = None
        elif match := _FRAME.match(line):
            path = mapping.to_workspace(match["path"])
            position = (path, int(match["line"])) if path is not None else position
        elif position is not None and _ERROR.match(line):
            if not any(_GOES_ON.match(later) for later in lines[number + 1 : number + 4]):
                found.append(Failure(*position, line))
            position = None
    return list(dict.fromkeys(found))


def failed_tests(text: str, mapping: PathMapping) -> list[Failure]:
    """One for each failed test, failed fixture, and module that could not be collected."""
    found = [
        failure for name, block in _blocks(_plain(text)) if (failure := _test(name, block, mapping))
    ]
    return list(dict.fromkeys(found))


def _test(name: str, block: Sequence[str], mapping: PathMapping) -> Failure | None:
    positions = [
        (path, int(match["line"]))
        for line in block
        if (match := _FRAME.match(line) or _LOCATION.match(line))
        and (path := mapping.to_workspace(match["path"])) is not None
    ]
    if not positions:
        return None
    return Failure(*positions[-1], f"{name}: {_message(block)}")


def _message(block: Sequence[str]) -> str:
    """The first line of the last group that pytest marks with E.

    If that is a traceback itself (a module that could not be imported), or nothing is marked, the
    last line with an error.
    """
    marked = [line[1:].strip() if line.startswith("E ") else "" for line in block]
    starts = [now for before, now in zip(["", *marked], marked, strict=False) if now and not before]
    if starts and not starts[-1].startswith("File "):
        return starts[-1]
    errors = [line for line in (*block, *marked) if _NAMED_ERROR.match(line)]
    return errors[-1] if errors else "failed"


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, block = "", list[str]()
    for line in lines:
        header, closing = _HEADER.match(line), _CLOSING.match(line)
        if (header or closing) and name:
            yield name, block
            name = ""
        if header:
            name, block = header["name"], []
        block.append(line)


def _plain(text: str) -> list[str]:
    return _DECORATION.sub("", text.replace("\r\n", "\n")).split("\n")
