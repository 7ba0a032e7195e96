"""The files of a build's folder that decide about its image. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import field

from ..util.quick_dataclasses import dataclass
from .dockerfiles import shell_words
from .dockerfiles.dockerfile import Dockerfile, Instruction
from .dockerfiles.shell_words import WordError

# Folders that no environment is made from, wherever they are in a shared context: what runs and tools
# write, and git's own. `data` and `outputs` count only at the root of the context.
NEVER = frozenset(
    {".git", ".innerloop", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints"}
)
NEVER_AT_TOP = frozenset({"outputs", "logs", "data", "mlruns"})


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A build's folder on this machine, and which of its files count.

    folder: its absolute path.
    dockerfile: the Dockerfile relative to it, if the folder is shared with other things; its text is
    in `text`. "" for a folder of the environment's own, in which every file counts.
    shown: the folder as messages name it; "" for its last part.
    sources: what COPY, ADD and mounts take from a shared folder, as patterns; None: all of it.
    """

    folder: str
    dockerfile: str = ""
    text: str = field(default="", repr=False)
    sources: tuple[str, ...] | None = None
    shown: str = ""

    def named(self, path: str) -> str:
        """A file of the folder as messages name it."""
        last = self.folder.replace("\\", "/").rpartition("/")[2]
        return posixpath.normpath(posixpath.join(self.shown or last, path))

    @property
    def is_shared(self) -> bool:
        return bool(self.dockerfile)

    def enters(self, folder: str) -> bool:
        """Whether a folder, by its path in the context, may hold files that count."""
        parts = folder.split("/")
        if not self.is_shared:
            return parts[-1] != "__pycache__"
        if parts[-1] in NEVER or self._is_left_out(folder):
            return False
        return self.sources is None or any(
            _covers(source, folder) or _leads_to(folder, source) for source in self.sources
        )

    def counts(self, path: str) -> bool:
        """Whether a file, by its path in the context, decides about the image."""
        if not self.is_shared:
            return True
        if path == self.dockerfile:
            return False  # its text counts, which may be newer than the file
        if self._is_left_out(path) or NEVER.intersection(path.split("/")):
            return False
        return self.sources is None or any(_covers(source, path) for source in self.sources)

    def _is_left_out(self, path: str) -> bool:
        """Whether it is in a folder of outputs or data that no COPY names."""
        top = path.split("/")[0]
        if top not in NEVER_AT_TOP:
            return False
        return self.sources is None or not any(_first(source) == top for source in self.sources)


def shared(
    folder: str, dockerfile: Dockerfile, path: str, text: str, shown: str = ""
) -> BuildContext:
    """The context of a Dockerfile, at a `path` relative to the folder, that is not alone in it."""
    return BuildContext(folder, path, text, sources_of(dockerfile), shown)


def sources_of(dockerfile: Dockerfile) -> tuple[str, ...] | None:
    """What the stages take from the build's folder; None if it is all of it, or cannot be known."""
    found: dict[str, None] = {}
    for stage in dockerfile.stages:
        for instruction in dockerfile.effective(stage):
            for source in _sources(instruction):
                cleaned = posixpath.normpath("/" + source.replace("\\", "/")).lstrip("/")
                if cleaned in ("", "*", "**") or "$" in source:
                    return None
                found[cleaned] = None
    return tuple(found)


def _sources(instruction: Instruction) -> Iterable[str]:
    if instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None:
        words = instruction.exec_form
        if words is None:
            try:
                words = tuple(shell_words.split(instruction.arguments, escape=instruction.escape))
            except WordError:
                return [""]
        return [word for word in words[:-1] if "://" not in word and not word.startswith("<<")]
    if instruction.keyword != "RUN":
        return []
    mounts = []
    for flag in instruction.flags:
        key, _, value = flag.removeprefix("--").partition("=")
        fields = (
            dict(part.partition("=")[::2] for part in value.split(",")) if key == "mount" else {}
        )
        if fields and fields.get("type", "bind") == "bind" and "from" not in fields:
            mounts.append(fields.get("source", fields.get("src", ".")))
    return mounts


def _first(source: str) -> str:
    return source.split("/")[0]


def _covers(source: str, path: str) -> bool:
    """Whether a source, a pattern of Go's filepath.Match, is the path or a folder above it."""
    parts = path.split("/")
    pattern = _pattern(source)
    return any(pattern.fullmatch("/".join(parts[:end])) for end in range(1, len(parts) + 1))


def _leads_to(folder: str, source: str) -> bool:
    """Whether what a source names may be below a folder."""
    depth = len(folder.split("/"))
    parts = source.split("/")
    return len(parts) > depth and _pattern("/".join(parts[:depth])).fullmatch(folder) is not None


def _pattern(source: str) -> re.Pattern[str]:
    expression = ""
    for token in re.findall(r"\*\*|\*|\?|\[[^\]/]+\]|.", source, re.DOTALL):
        if token == "**":
            expression += ".*"
        elif token == "*":
            expression += "[^/]*"
        elif token == "?":
            expression += "[^/]"
        elif token[0] == "[" and len(token) > 2:
            expression += token.replace("\\", "\\\\")
        else:
            expression += re.escape(token)
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:
        return re.compile(re.escape(source))
