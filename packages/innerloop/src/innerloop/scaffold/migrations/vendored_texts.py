"""What workspaces held that had the tool in `scripts/innerloop`: bases for merges, and digests.

`vendored_files/shipped.txt` has a line per file of the tool that any commit had: the first twelve
digits of its object name in git (`git hash-object FILE`). The other files are whole texts, all that
ever were, by their names in `BASES`; `pyproject_tables.txt` has the tables of every pyproject.toml.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "vendored_files"
_DIGITS = 12
BASES = {
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
    ".devcontainer/Dockerfile": "Dockerfile",
    ".devcontainer/entrypoint.sh": "entrypoint.sh",
    ".github/workflows/prebuild.yml": "prebuild.yml",
}


def is_shipped(content: bytes) -> bool:
    """Whether a file has the content that some version gave it; line endings do not count."""
    return any(_name(same) in _shipped() for same in (content, content.replace(b"\r\n", b"\n")))


def _name(content: bytes) -> str:
    """As git names it, shortened."""
    named = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return named.hexdigest()[:_DIGITS]


@functools.cache
def _shipped() -> frozenset[str]:
    return frozenset((_FOLDER / "shipped.txt").read_text(encoding="utf-8").split())


def bases(path: str) -> list[str]:
    """Every text that a file of the template had."""
    return [
        file.read_text(encoding="utf-8") for file in sorted(_FOLDER.glob(f"{BASES[path]}.[0-9]"))
    ]


@functools.cache
def pyproject() -> str:
    """Every table that a pyproject.toml had, one after the other."""
    return (_FOLDER / "pyproject_tables.txt").read_text(encoding="utf-8")


def closest(yours: str, texts: Iterable[str]) -> str:
    """The text that a person has most probably begun with."""
    lines = yours.replace("\r\n", "\n").split("\n")
    return max(texts, key=lambda text: SequenceMatcher(None, text.split("\n"), lines).ratio())
