"""What Azure ML gets of a folder: the very files that its client would send, read without it.

Links are followed and sent as what they lead to; one ignore file at the root counts; nothing is
left out that it does not name. Source: azure-ai-ml 1.35, `_utils/_asset_utils.py`; held against
the bytes in a blob store by tests/azure.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..model import ignore_file as ignore
from ..model import secrets
from ..util import files
from ..util.errors import UserError

IGNORE_FILES = (".amlignore", ".gitignore")


@dataclass(frozen=True, slots=True)
class Sent:
    """One file: its `name` in the snapshot with "/", the `source` on this disk with all links
    followed, and its `size` in bytes. `linked`: its own name or a folder above it is a link."""

    name: str
    source: str
    size: int
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file that looks like a secret; `line` is 0 where its name alone says so."""

    name: str
    why: str
    line: int = 0

    def below(self, folder: str) -> str:
        """The file's path, of which `name` is the part below the snapshot's folder."""
        return posixpath.normpath(f"{folder}/{self.name}")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What one rule of the ignore file keeps here."""

    rule: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`folder` is relative to the workspace; `digest` is the one by which Azure ML finds a
    snapshot that it has already (sha256 over names, sizes and contents)."""

    folder: str
    files: tuple[Sent, ...]
    digest: str
    ignore_file: str = ""
    left_out: tuple[LeftOut, ...] = ()
    suspects: tuple[Suspect, ...] = field(default=())

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)


def read(root: Path, folder: str, *, contents: bool = True) -> Snapshot:
    """The snapshot of a folder (or one file) of the workspace. A link that leads nowhere or in a
    circle, and a folder without a file to send, are `Mistake`s: Azure ML's client ends badly.
    Without `contents` (data, which may be large) the digest is "" and no secret is looked for."""
    top = Path(os.path.realpath(root / folder))
    rules, base = _rules(top, folder) if top.is_dir() else (ignore.Rules(), "")
    name = rules.name
    counts: Mapping[str, tuple[int, int]] = {}
    if top.is_file():
        found = [Sent(top.name, str(top), top.stat().st_size)]
    else:
        found, counts = _walk(top, folder, rules, base)
    if not found:
        raise UserError(
            "there is nothing to send: the folder is empty, or all in it is ignored",
            where=folder,
            hint=f"Look at {name}" if name else "Set `code:` to the folder with the program",
        )
    digest, suspects = _contents(found) if contents else ("", ())
    return Snapshot(
        folder=folder,
        files=tuple(found),
        digest=digest,
        ignore_file=name.rpartition("/")[2],
        left_out=tuple(LeftOut(rule, *counted) for rule, counted in counts.items()),
        suspects=suspects,
    )


def _rules(top: Path, folder: str) -> tuple[ignore.Rules, str]:
    """The rules that count, and the folder that their paths are relative to."""
    for name in IGNORE_FILES:
        text = files.read_text(top / name)
        if text is not None:
            rules = ignore.parse(text, f"{folder}/{name}")
            return rules, os.path.dirname(os.path.realpath(top / name))
    return ignore.Rules(), str(top)


def _walk(
    top: Path, folder: str, rules: ignore.Rules, base: str
) -> tuple[list[Sent], Mapping[str, tuple[int, int]]]:
    """The files to send, and for each rule how many files and bytes it leaves out."""
    found: list[Sent] = []
    counts: dict[str, tuple[int, int]] = {}
    for parent, names in _folders(str(top), folder):
        real = os.path.realpath(parent)
        inside = os.path.relpath(parent, top).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        behind = real != os.path.normpath(parent)
        for name in names:
            path = os.path.join(real, name)
            rule = rules.excluding_rule(os.path.relpath(path, base).replace(os.sep, "/"))
            source = os.path.realpath(path)
            size = _size(source, f"{folder}/{prefix}{name}", wanted=rule is None)
            if rule is None:
                found.append(Sent(prefix + name, source, size, behind or source != path))
            else:
                count, total = counts.get(rule.text, (0, 0))
                counts[rule.text] = (count + 1, total + size)
    return found, counts


def _folders(top: str, folder: str) -> Iterator[tuple[str, list[str]]]:
    """Each folder and the names of its files, links followed, in the order of os.walk."""
    for parent, folders, names in os.walk(top, followlinks=True):
        yield parent, names
        for name in folders:
            path = os.path.join(parent, name)
            if os.path.islink(path) and os.path.realpath(path) in _above(parent, top):
                where = f"{folder}/{os.path.relpath(path, top)}".replace(os.sep, "/")
                raise UserError(
                    f"this link leads in a circle ({os.readlink(path)}): the upload never ends",
                    where=where,
                    hint="Link to a folder that does not hold it",
                )


def _above(parent: str, top: str) -> Iterator[str]:
    """A folder and those that hold it up to the top, with all links followed."""
    while True:
        yield os.path.realpath(parent)
        if parent == top:
            return
        parent = os.path.dirname(parent)


def _size(path: str, where: str, *, wanted: bool) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        if not wanted:
            return 0
        raise UserError(
            "this link leads nowhere: the upload fails on it",
            where=where,
            hint="Make it again, or remove it",
        ) from error


def _contents(found: list[Sent]) -> tuple[str, tuple[Suspect, ...]]:
    """The digest, and the files that look like secrets, in one reading."""
    total = hashlib.sha256(str(len(found)).encode())
    ordered = sorted(found, key=lambda one: one.name.lower())
    for one in ordered:
        total.update(f"#{one.name}#{one.size}".encode())
    suspects = []
    for one in ordered:
        head = _add(total, one)
        why = secrets.by_name(one.name)
        inside = None if b"\0" in head else secrets.by_content(head.decode("utf-8", "replace"))
        if inside is not None:
            suspects.append(Suspect(one.name, inside[1], inside[0]))
        elif why:
            suspects.append(Suspect(one.name, why))
    return total.hexdigest(), tuple(suspects)


def _add(total: hashlib._Hash, one: Sent) -> bytes:
    """Adds a file's content to the digest; what is returned is looked at for secrets."""
    try:
        with open(one.source, "rb") as file:
            if one.size <= secrets.LONGEST:
                content = file.read()
                total.update(content)
                return content
            while chunk := file.read(1 << 20):
                total.update(chunk)
    except OSError as error:
        raise UserError(
            f"it cannot be read: {(error.strerror or '').lower()}",
            where=one.name,
            hint="Check who owns it and its permissions, or leave it out in .amlignore",
        ) from error
    return b""
