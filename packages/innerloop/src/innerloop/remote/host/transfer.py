"""Sends folders to a machine: only files whose content is not there yet.

A folder becomes a tree: paths, and for each the SHA-256 of its content. The agent keeps contents by
that name, so code that was sent once, from whichever workspace, is not sent again, and a transfer
that was interrupted goes on with the files that have arrived.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO

from ...util import files, json_records, process
from ...util.cache_folder import cache_folder
from ...util.errors import UserError
from ...util.json_records import RecordError
from ...util.quick_dataclasses import dataclass
from ..progress import TransferProgress, count_files, format_size
from ..snapshot import Snapshot
from .connection import SSH_FAILED, connection_error
from .facts import HostFacts
from .host import RemoteHost

_CHUNK = 1 << 20
# Hashes of files from this size on are kept for the next run, in bytes.
_LARGE = 4 << 20


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file: its path in the tree with "/", the file on this disk, its bytes and its content's name."""

    path: str
    source: str
    size: int
    blob: str

    @property
    def mode(self) -> int:
        return 0o555 if self.blob.endswith("x") else 0o444


@dataclass(frozen=True)
class RemoteTree:
    """A folder as it will be there. `title` names it in messages."""

    title: str
    files: tuple[TreeFile, ...]

    @cached_property
    def manifest(self) -> str:
        """A line for each file: its content's name and its path."""
        return "".join(f"{file.blob}\t{file.path}\n" for file in self.files)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.manifest.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def tree_of(title: str, snapshot: Snapshot, known: KnownHashes | None = None) -> RemoteTree:
    """The tree of a snapshot, whose files are read."""
    found = ((file.name, file.source, file.size) for file in snapshot.files)
    return _tree(title, found, known or KnownHashes())


def tree_of_folder(title: str, folder: Path, names: Iterable[str] | None = None) -> RemoteTree:
    """The tree of a folder of this machine: of all files, or of those with these paths in it."""
    paths = sorted(_walk(folder)) if names is None else sorted(names)
    found = ((path, str(folder / path), _size(folder / path)) for path in paths)
    return _tree(title, found, KnownHashes())


def tree_of_texts(title: str, texts: Mapping[str, Path]) -> RemoteTree:
    """The tree of files of this machine by their paths in it."""
    found = ((path, str(file), _size(file)) for path, file in sorted(texts.items()))
    return _tree(title, found, KnownHashes())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _walk(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if (path := Path(parent, name)).is_file():
                yield path.relative_to(folder).as_posix()


def _tree(title: str, found: Iterable[tuple[str, str, int]], known: KnownHashes) -> RemoteTree:
    return RemoteTree(
        title,
        tuple(
            TreeFile(path, source, size, known.blob(source))
            for path, source, size in sorted(found)
            if _is_path(path, title)
        ),
    )


def _is_path(path: str, title: str) -> bool:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        raise UserError(
            "this name has a line end or another control character, and cannot be sent",
            code="name-refused-by-storage",
            where=f"{title}: {path!r}",
            hint="Rename it, or exclude it in .amlignore",
        )
    return True


class KnownHashes:
    """The SHA-256 of files; those of large ones are kept in the user's cache by size and time."""

    def __init__(self) -> None:
        self._path = cache_folder() / "sent" / "hashes.json"
        self._known: dict[str, list[object]] | None = None
        self._has_new = False

    def blob(self, source: str) -> str:
        """The content's name: its hash, and "x" for a file that can be run."""
        try:
            status = os.stat(source)
            runs = "x" if os.name != "nt" and status.st_mode & 0o100 else ""
            if status.st_size < _LARGE:
                return _hash(source) + runs
            stamp = [status.st_size, status.st_mtime_ns]
            entry = self._all().get(source)
            if not entry or entry[:2] != stamp:
                entry = self._all()[source] = [*stamp, _hash(source)]
                self._has_new = True
            return f"{entry[2]}{runs}"
        except OSError as error:
            raise _unreadable(source, error) from error

    def keep(self) -> None:
        """Write the new hashes; without the cache, the next run only reads it again."""
        if self._has_new and self._known is not None:
            there = {path: entry for path, entry in self._known.items() if os.path.exists(path)}
            files.write_text(self._path, json.dumps(there))

    def _all(self) -> dict[str, list[object]]:
        if self._known is None:
            try:
                record = json_records.read_file(self._path)
            except RecordError:
                record = None
            values = {} if record is None else dict(record.value)
            self._known = {
                path: entry
                for path, entry in values.items()
                if isinstance(entry, list) and len(entry) == 3
            }
        return self._known


def _hash(path: str) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Sent:
    """What a transfer has sent: number and bytes of files. Both are 0 if all was there."""

    files: int = 0
    size: int = 0

    def __str__(self) -> str:
        return f"{count_files(self.files)}, {format_size(self.size)}"


def send(
    host: RemoteHost,
    facts: HostFacts,
    trees: Sequence[RemoteTree],
    absent_trees: frozenset[str] | None = None,
) -> Sent:
    """Make the trees there. UserError, or ConnectionLost, if that fails: then none is half there.

    `absent_trees` are those that are not there, by their digests; None: the host is asked.
    """
    digests = list(dict.fromkeys(tree.digest for tree in trees))
    if not digests:
        return Sent()
    if absent_trees is None:
        absent_trees = frozenset(host.query("absent_trees", *digests).split())
    trees = [tree for tree in trees if tree.digest in absent_trees]
    if not trees:
        return Sent()
    by_blob = {file.blob: file for tree in trees for file in tree.files}
    asked = host.tell("absent", data=["".join(f"{blob}\n" for blob in by_blob).encode()])
    if not asked.ok:
        raise host.error(asked.err, "the files cannot be listed")
    absent = [by_blob[blob] for blob in asked.out.split() if blob in by_blob]
    sent = Sent(len(absent), sum(file.size for file in absent))
    if absent:
        _send_blobs(host, facts, absent, sent)
    for tree in {tree.digest: tree for tree in trees}.values():
        made = host.tell(
            "tree", tree.digest, data=[tree.manifest.encode("utf-8", "surrogateescape")]
        )
        if not made.ok:
            raise _not_made(host, tree, made.err)
    return sent


def _not_made(host: RemoteHost, tree: RemoteTree, said: str) -> UserError:
    if "/blobs/" in said and "No such file" in said:
        return UserError(
            f"a file of {tree.title} changed while it was sent",
            code="file-changed",
            where=tree.title,
            hint="Run the command again",
        )
    return host.error(said, f"{tree.title} cannot be made there")


def _send_blobs(host: RemoteHost, facts: HostFacts, absent: Sequence[TreeFile], sent: Sent) -> None:
    progress = TransferProgress(f"sending {sent} to {host.ref.remote}", sent.size)
    try:
        if _by_rsync(host, facts, absent):
            return

        def report(size: int) -> None:
            progress.on_event({"event": "uploaded", "bytes": size})

        done = host.tell("receive", data=archive(absent, report))
    finally:
        progress.close()
    if not done.ok:
        raise host.error(done.err, "the files did not arrive")


def _by_rsync(host: RemoteHost, facts: HostFacts, absent: Sequence[TreeFile]) -> bool:
    """Send by rsync, which goes on within a file that was interrupted; whether that could be.

    ConnectionLost if the connection ends. What a person's shell prints confuses rsync: what it does not
    bring goes by tar.
    """
    is_local = host.connection.is_local
    if is_local or not facts.rsync or os.name == "nt" or process.which("rsync") is None:
        return False
    names = "\n".join(sorted(file.blob for file in absent))
    folder = f"rsync.{hashlib.sha256(names.encode()).hexdigest()[:16]}"
    *ssh, target, _ = host.connection.argv("")
    host.query("receive_by_rsync", folder)
    with files.temporary_folder("il-send-") as staging:
        files.make_links({file.blob: file.source for file in absent}, staging)
        done = process.run(
            ["rsync", "-s", "--recursive", "--copy-links", "--partial", "--inplace",
             f"--rsync-path={shlex.quote(facts.rsync)}", "-e", shlex.join(ssh), f"{staging}/",
             f"{target}:{facts.root}/incoming/{folder}/"],
            own_group=True,
        )  # fmt: skip
    if done.code == SSH_FAILED:
        host.connection.close()
        raise connection_error(host.ref.host, done.err)
    if "No space left" in done.err:
        raise host.error(done.err, "rsync failed")
    return host.answer("received", folder).ok and done.ok


def archive(
    entries: Sequence[TreeFile], report: Callable[[int], None] = lambda size: None
) -> Iterator[bytes]:
    """A tar archive of the files by their contents' names. `report` gets the bytes so far.

    A file that has become shorter is filled up: its hash, which is compared there, says so.
    """
    total = 0
    for entry in entries:
        yield header(entry.blob, entry.size, entry.mode)
        left = entry.size
        for chunk in _content(entry.source, left):
            left -= len(chunk)
            total += len(chunk)
            yield chunk
            report(total)
        while left:
            yield bytes(min(_CHUNK, left))
            left -= min(_CHUNK, left)
        yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _content(source: str, size: int) -> Iterator[bytes]:
    """At most so many bytes of a file; nothing if it is gone by now."""
    with suppress(FileNotFoundError), _read(source) as file:
        while size and (chunk := file.read(min(_CHUNK, size))):
            size -= len(chunk)
            yield chunk


@contextmanager
def _read(source: str) -> Iterator[IO[bytes]]:
    """The file, opened. UserError if it cannot be read, FileNotFoundError if it is gone."""
    try:
        with open(source, "rb") as file:
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: str, error: OSError) -> UserError:
    return UserError(
        f"cannot read the file: {(error.strerror or '').lower()}",
        code="file-unreadable",
        where=source,
        hint="Check its owner and permissions, or exclude it in .amlignore",
    )


def header(name: str, size: int, mode: int = 0o644) -> bytes:
    """The block before a file's content."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info.tobuf(tarfile.GNU_FORMAT)


def archive_of_texts(texts: Mapping[str, str]) -> bytes:
    """A tar archive of small files, which only their owner reads."""
    parts = []
    for name, text in texts.items():
        content = text.encode("utf-8", "surrogateescape")
        parts += [header(name, len(content), 0o600), content]
        parts.append(bytes(-len(content) % tarfile.BLOCKSIZE))
    return b"".join([*parts, bytes(2 * tarfile.BLOCKSIZE)])
