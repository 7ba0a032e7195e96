"""Tiny wheels, and the lines of a lock that name them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path


def wheel(folder: Path, file: str, content: str = "") -> Path:
    """A wheel that pip accepts, with a module of this content."""
    name, version = file.split("-")[:2]
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    tags = "\n".join(f"Tag: {tag}" for tag in ["-".join(file.removesuffix(".whl").split("-")[2:])])
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr(f"{name}.py", content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n{tags}\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder / file


def line(*paths: Path, marker: str = "") -> str:
    name, version = paths[0].name.split("-")[:2]
    hashes = " ".join(f"--hash=sha256:{hashlib.sha256(p.read_bytes()).hexdigest()}" for p in paths)
    return f"{name}=={version} {f'; {marker} ' * bool(marker)}{hashes}\n"
