"""All that decides what a requirements file installs: the file and the files that it refers to.

Source: pip's documentation, "Requirements File Format" (`-r`, `-c`, `-e`, paths, `name @ file:`).
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from ..util import files
from ..util.late_patterns import late_pattern

# Options whose value is another requirements file, and those whose value is a project or a folder.
_FILES = ("-r", "--requirement", "-c", "--constraint", "--build-constraint")
_EDITABLE = ("-e", "--editable")
_FOLDERS = ("-f", "--find-links")
# What decides about an editable project: its source is used where it lies.
_METADATA = late_pattern(r"pyproject\.toml|setup\.(py|cfg)|.*requirements.*\.(txt|in)|MANIFEST\.in")
# What a project's folder has beside its source, and no installation depends on.
_SKIPPED = {
    ".git", ".hg", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".tox", ".nox", "build", "dist", "outputs",
}  # fmt: skip
# A folder of wheels or a project may be large; beyond these the names and sizes must do.
_MOST_BYTES = 50_000_000


def contents(requirements: Sequence[Path], folder: Path | None = None) -> str:
    """A text that differs whenever one of the files decides otherwise.

    It is the files' own text as long as they refer to no other file. Paths in them are relative to
    the file (`-r`, `-c`) or to `folder`, where the installer is started; both are looked at.
    """
    texts = [files.read_text(path) or "" for path in requirements]
    references: dict[str, str] = {}
    for path in requirements:
        _follow(path, folder, references, seen=set())
    lines = [f"{name}\0{digest}" for name, digest in sorted(references.items())]
    return "\n".join(["\n".join(texts), *lines])


def _follow(path: Path, folder: Path | None, references: dict[str, str], seen: set[Path]) -> None:
    seen.add(path)
    for kind, reference in _references(files.read_text(path) or ""):
        for parent in dict.fromkeys([path.parent, folder or path.parent]):
            place = Path(os.path.normpath(parent / os.path.expandvars(reference)))
            if not place.exists() or place in seen:
                continue
            references[os.path.relpath(place, path.parent)] = _digest(place, kind == "editable")
            if kind == "requirements":
                _follow(place, folder, references, seen)


_Kind = Literal["requirements", "editable", "other"]


def _references(text: str) -> Iterator[tuple[_Kind, str]]:
    """Each path that the text refers to."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s+)#.*$", "", line).strip()
        option, value = _option(line)
        if option in _FILES:
            yield "requirements", value
        elif option in _EDITABLE:
            yield from (("editable", place) for place in _local(value, is_path=True))
        elif option in _FOLDERS:
            yield from (("other", place) for place in _local(value, is_path=True))
        elif line and not line.startswith("-"):
            yield from (("other", place) for place in _local(line))


def _option(line: str) -> tuple[str, str]:
    """The option and its value: `-r x`, `-rx`, `--requirement x`, `--requirement=x`."""
    match = re.match(r"(--[\w-]+)(?:\s*=\s*|\s+)(.+)", line) or re.match(r"(-[rcef])\s*(.+)", line)
    return (match[1], match[2].strip().strip("\"'")) if match else ("", "")


def _local(requirement: str, *, is_path: bool = False) -> Iterator[str]:
    """The path of a requirement that is a file or folder of this machine.

    `is_path`: a plain name is a folder, and not a package.
    """
    text = re.split(r"\s*;\s|\s--", requirement)[0].strip().strip("\"'")
    if url := re.search(r"(?:^|@\s*)file:(\S+)", text):
        from urllib.request import url2pathname  # here: few files name a folder by a URL

        path = urllib.parse.urlsplit(f"file:{url[1]}").path.split("#")[0]
        yield url2pathname(path)
    elif "://" not in text and (is_path or _PATH.match(text)):
        yield re.sub(r"\[[\w,\s.-]*\]$|#.*$", "", text)


_PATH = late_pattern(
    r"\.{1,2}([/\\]|$|\[)|/|[A-Za-z]:[/\\]|[^=<>~!@ ]*[/\\][^=<>~!@]*$|.*\.(whl|zip|tar\.\w+)$"
)


def _digest(place: Path, is_editable: bool) -> str:
    import hashlib  # here: it loads OpenSSL, and few requirements are paths

    total = hashlib.sha256()
    size = 0
    paths = sorted(_files_of(place)) if place.is_dir() else [place]
    if is_editable:
        paths = [path for path in paths if _METADATA.fullmatch(path.name)]
    for path in paths:
        try:
            status = path.stat()
            total.update(
                f"{path.relative_to(place).as_posix()}\0{status.st_size}\0".encode(
                    "utf-8", "replace"
                )
            )
            size += status.st_size
            if size <= _MOST_BYTES:
                total.update(path.read_bytes())
            else:
                total.update(str(status.st_mtime_ns).encode())
        except OSError:
            continue
    return total.hexdigest()


def _files_of(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if name not in _SKIPPED and not name.endswith(".egg-info")
        ]
        yield from (path for name in names if (path := Path(parent, name)).is_file())
