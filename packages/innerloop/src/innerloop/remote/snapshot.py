"""The files that Azure ML's client would send from a folder, read without that client.

Links are followed and sent as the files they lead to. One ignore file, at the root, excludes files;
nothing else does. Source: azure-ai-ml 1.35, `_utils/_asset_utils.py`; tests/azure compares it with
the bytes in a blob store.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from ..model import ignore_file, secrets
from ..model.paths import is_within
from ..model.portable_names import storage_problem
from ..util import console, files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import text_links

IGNORE_FILES = (".amlignore", ".gitignore")


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file of a snapshot.

    `name` is the path in the snapshot with "/", `source` the path on this disk with all links
    resolved, `size` in bytes. `linked`: the file or a folder above it is a link.
    """

    name: str
    source: str
    size: int
    linked: bool = False


@dataclass(frozen=True, slots=True)
class SuspectedSecret:
    """A file that looks like a secret; `line` is 0 if its name is the reason."""

    name: str
    why: str
    line: int = 0

    def below(self, folder: str) -> str:
        """The file's path in the workspace; `folder` is the snapshot's."""
        return posixpath.normpath(f"{folder}/{self.name}")


@dataclass(frozen=True, slots=True)
class IgnoredFiles:
    """Number and bytes of the files that one rule of the ignore file excludes."""

    rule: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`folder` is relative to the workspace.

    `digest` (sha256 of names, sizes and contents) is how Azure ML recognizes a snapshot that it has
    already.
    """

    folder: str
    files: tuple[SnapshotFile, ...]
    digest: str
    ignore_file: str = ""
    left_out: tuple[IgnoredFiles, ...] = ()
    suspects: tuple[SuspectedSecret, ...] = field(default=())

    def outside(self, root: str) -> list[SnapshotFile]:
        """The files that links bring from outside of the workspace; `root` is without links."""
        return [file for file in self.files if file.linked and not is_within(file.source, root)]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def read(root: Path, folder: str, *, contents: bool = True) -> Snapshot:
    """The snapshot of a folder (or one file) of the workspace.

    Raises UserError for a broken or circular link and for a folder without a file to send, with
    which Azure ML's client fails. Without `contents` (for data, which may be large) the digest is
    "", and only a link to what its name says is a secret is a suspect.
    """
    texts = text_links.on_disk(root)
    top = Path(os.path.realpath(root / text_links.resolve(root, folder)))
    rules, base = _rules(top, folder) if top.is_dir() else (ignore_file.IgnoreRules(), "")
    name = rules.name
    counts: Mapping[str, tuple[int, int]] = {}
    if top.is_file():
        _require_name(top.name, posixpath.dirname(folder) or ".")
        sent = [SnapshotFile(top.name, *_source_and_size(str(top), folder, required=True))]
    else:
        sent, counts = _walk(top, folder, rules, base, texts)
    if not sent:
        raise UserError(
            "there is nothing to send: the folder is empty, or every file in it is ignored",
            code="snapshot-empty",
            where=folder,
            hint=f"Check {name}" if name else "Set `code:` to the folder with the program",
        )
    if contents:
        digest, suspects = _digest_and_suspects(sent, folder)
    else:
        digest, suspects = "", tuple(_suspected_links(sent))
    return Snapshot(
        folder=folder,
        files=tuple(sent),
        digest=digest,
        ignore_file=name.rpartition("/")[2],
        left_out=tuple(IgnoredFiles(rule, *counted) for rule, counted in counts.items()),
        suspects=suspects,
    )


def _rules(top: Path, folder: str) -> tuple[ignore_file.IgnoreRules, str]:
    """The rules of the first ignore file, and the folder that their paths are relative to."""
    for name in IGNORE_FILES:
        text = files.read_text(top / name)
        if text is not None:
            rules = ignore_file.parse(text, f"{folder}/{name}")
            return rules, os.path.dirname(os.path.realpath(top / name))
    return ignore_file.IgnoreRules(), str(top)


def _walk(
    top: Path,
    folder: str,
    rules: ignore_file.IgnoreRules,
    base: str,
    texts: Mapping[str, str],
) -> tuple[list[SnapshotFile], Mapping[str, tuple[int, int]]]:
    """The files to send, and for each rule the number and bytes of the files it excludes.

    `texts` are links that are text files, with their targets: they are sent as links are.
    """
    sent: list[SnapshotFile] = []
    patience = _Patience(folder)
    counts: dict[str, tuple[int, int]] = {}
    for parent, prefix, names in _folders(str(top), folder, texts):
        real = os.path.realpath(parent)
        through_link = real != os.path.normpath(os.path.join(top, prefix))
        for name in names:
            path = os.path.join(real, name)
            where = f"{folder}/{prefix}{name}"
            rule = rules.excluding_rule(_relative(path, base)) if rules.rules else None
            at = texts.get(path, path)
            source, size = _source_and_size(at, where, required=rule is None)
            if rule is None:
                _require_name(prefix + name, folder)
                linked = through_link or source != path
                sent.append(SnapshotFile(prefix + name, source, size, linked))
                patience.passed(len(sent))
            else:
                count, total = counts.get(rule.text, (0, 0))
                counts[rule.text] = (count + 1, total + size)
    return sent, counts


def _folders(
    top: str, folder: str, texts: Mapping[str, str], prefix: str = "", behind: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, list[str]]]:
    """(folder, its path in the snapshot, names of its files) in the order of os.walk, links followed.

    The path is "" or ends with "/". UserError for a folder that cannot be listed: the client would
    leave it out without a word. `behind` are the targets of the text links that led here.
    """

    def refused(error: OSError) -> None:
        name = os.path.relpath(os.fspath(error.filename), top).replace(os.sep, "/")
        raise _unreadable(f"{folder}/{name}" if name != "." else folder, "folder", error)

    for parent, folders, names in os.walk(top, followlinks=True, onerror=refused):
        relative = os.path.relpath(parent, top).replace(os.sep, "/")
        at = prefix if relative == "." else f"{prefix}{relative}/"
        real = os.path.realpath(parent) if texts else parent
        inner = {name: texts.get(os.path.join(real, name), "") for name in names if texts}
        inner = {name: target for name, target in inner.items() if os.path.isdir(target)}
        yield parent, at, [name for name in names if name not in inner]
        for name, target in inner.items():
            if target in behind:
                raise _circular(f"{folder}/{at}{name}", os.path.relpath(target, real))
            yield from _folders(target, folder, texts, f"{at}{name}/", (*behind, target))
        for name in folders:
            path = os.path.join(parent, name)
            if os.path.islink(path) and os.path.realpath(path) in _ancestors(parent, top):
                where = f"{folder}/{os.path.relpath(path, top)}".replace(os.sep, "/")
                raise _circular(where, os.readlink(path))


def _circular(where: str, text: str) -> UserError:
    return UserError(
        f"this link is circular ({text}): an upload would never end",
        code="link-circular",
        where=where,
        hint="Link to a folder that does not contain the link",
    )


def _ancestors(parent: str, top: str) -> Iterator[str]:
    """A folder and its parents up to `top`, with all links resolved."""
    while True:
        yield os.path.realpath(parent)
        if parent == top:
            return
        parent = os.path.dirname(parent)


def _relative(path: str, base: str) -> str:
    return os.path.relpath(path, base).replace(os.sep, "/")


def _source_and_size(path: str, where: str, *, required: bool) -> tuple[str, int]:
    """The file with its links resolved, whose folder has none, and its bytes."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(path)
            status = os.stat(path)
        if required and not stat.S_ISREG(status.st_mode):
            raise UserError(
                "this is a named pipe, a socket or a device, and an upload would wait for it",
                code="file-not-regular",
                where=where,
                hint="Move it away, or exclude it in .amlignore",
            )
        if required and not os.access(path, os.R_OK):
            raise _unreadable(where, "file", PermissionError(13, "Permission denied"))
        return path, status.st_size
    except OSError as error:
        if not required:
            return path, 0
        raise UserError(
            "this link is broken: an upload would fail on it",
            code="link-broken",
            where=where,
            hint="Create it again, or remove it",
        ) from error


class _Patience:
    """Says once what takes more than two seconds."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._until = time.monotonic() + 2
        self._has_said = False

    def passed(self, count: int) -> None:
        if count % 500 == 0 and not self._has_said and time.monotonic() > self._until:
            self._has_said = True
            console.say(f"reading the files of {self._folder} ({count:,} so far)")


def _digest_and_suspects(
    sent: list[SnapshotFile], folder: str
) -> tuple[str, tuple[SuspectedSecret, ...]]:
    """The digest and the files that look like secrets; reads each file once."""
    digest = hashlib.sha256(str(len(sent)).encode())
    ordered = sorted(sent, key=lambda file: file.name.lower())
    for file in ordered:
        digest.update(f"#{file.name}#{file.size}".encode())
    suspects = []
    patience = _Patience(folder)
    for number, file in enumerate(ordered, start=1):
        patience.passed(number)
        content = _hash_file(digest, file, folder)
        if found := secrets.suspicion(file.name, content):
            suspects.append(SuspectedSecret(file.name, found.why, found.line))
    return digest.hexdigest(), tuple(suspects)


def _hash_file(digest: hashlib._Hash, sent: SnapshotFile, folder: str) -> bytes | None:
    """Adds a file's content to the digest; returns it, or None for a file too large to search."""
    try:
        with open(sent.source, "rb") as file:
            if sent.size <= secrets.LONGEST:
                content = file.read()
                digest.update(content)
                return content
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(f"{folder}/{sent.name}", "file", error) from error
    return None


def _suspected_links(sent: list[SnapshotFile]) -> Iterator[SuspectedSecret]:
    """Links of data that lead to a file with a secret's name (~/.ssh/id_rsa)."""
    for file in sent:
        if file.linked and (found := secrets.by_name(file.source)):
            yield SuspectedSecret(file.name, found)


def _unreadable(where: str, kind: str, error: OSError) -> UserError:
    return UserError(
        f"cannot read the {kind}: {(error.strerror or '').lower()}",
        code="file-unreadable",
        where=where,
        hint="Check its owner and permissions, or exclude it in .amlignore",
    )


def _require_name(name: str, folder: str) -> None:
    """UserError for a file that the client or blob storage has under no name, or another one."""
    if problem := storage_problem(name):
        raise UserError(
            f"the file cannot be uploaded: {problem}",
            code="name-refused-by-storage",
            where=f"{folder}/{name}",
            hint="Rename it, or exclude it in .amlignore",
        )
