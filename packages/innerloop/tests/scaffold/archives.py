"""Small trees of files, each in one text: `==== PATH ====`, then the file's lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "vendored"


def files(name: str) -> dict[str, str]:
    """Path -> text."""
    parts = re.split(r"(?m)^==== (.+) ====\n", _text(name))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def gone(name: str) -> list[str]:
    """The paths that the head of an archive names as gone."""
    head = re.split(r"(?m)^====", _text(name))[0]
    return re.findall(r"(?m)^gone (.+)$", head)


def unpack(texts: Mapping[str, str], root: Path) -> Path:
    for path, text in texts.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    return root


def _text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_bytes().decode()
