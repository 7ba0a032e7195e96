"""A package index on disk that stands still.

The releases that a lock pins, and a newer one of each.

Each release is an empty wheel for any platform with the metadata of the real one, so that a lock
resolves as it would tomorrow: nothing is downloaded, and packages of gigabytes cost nothing.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from tools import locks

_WHEEL = "Wheel-Version: 1.0\nGenerator: innerloop\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class FrozenIndex:
    """The wheels lie in `folder`, for `pip --no-index --find-links`."""

    folder: Path

    def add(
        self, name: str, version: str, requires: Sequence[str] = (), extras: Iterable[str] = ()
    ) -> str:
        """Write a release; returns its hash as locks have it."""
        project = name.replace("-", "_")
        info = f"{project}-{version}.dist-info"
        head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        head += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
        head += [f"Requires-Dist: {requirement}" for requirement in requires]
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            # ZipInfo has a fixed date: the same release is the same bytes at every call.
            archive.writestr(zipfile.ZipInfo(f"{info}/METADATA"), "\n".join(head) + "\n")
            archive.writestr(zipfile.ZipInfo(f"{info}/WHEEL"), _WHEEL)
            archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
        self.folder.mkdir(exist_ok=True)
        wheel = self.folder / f"{project}-{version}-py3-none-any.whl"
        wheel.write_bytes(content.getvalue())
        return f"sha256:{hashlib.sha256(content.getvalue()).hexdigest()}"

    def lock(self, entries: Iterable[locks.Entry], metadata: locks.Metadata) -> str:
        """The same lock over this index, which gets what it pins and a newer release of each."""
        entries = list(entries)
        extras: dict[str, set[str]] = {}
        for entry in entries:
            extras.setdefault(entry.name, set()).update(entry.extras)
        lines = []
        for entry in entries:
            requires = metadata[entry.release]
            self.add(entry.name, newer(entry.version), requires, extras[entry.name])
            found = self.add(entry.name, entry.version, requires, extras[entry.name])
            marker = f" ; {entry.marker}" if entry.marker else ""
            lines.append(f"{entry.form}=={entry.version}{marker} \\\n    --hash={found}\n")
        return "".join(lines)


def newer(version: str) -> str:
    """The next release, such that whatever admits this one, but for `==`, admits it too."""
    parsed = Version(version)
    base = version.partition(".post")[0]
    return f"{base}.post{(parsed.post or 0) + 1}"
