"""Several rendered files and the memory of them, written so that they agree whatever happens.

All texts go to a staging folder first: a full disk or a read-only file is met there, when nothing
has changed yet. Then a journal is written, each text takes its file's place in one step, and the
memory comes last. Whoever is killed in between leaves the journal, which says of each file which
text it was to get, so the next sync knows for each whether the old or the new text stands there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..util import files
from ..util.errors import UserError
from .merge_rules import EDITOR_FILES
from .state_file import Corrupt, Memory, dump, load

MEMORY = ".innerloop/state.json"
STAGING = ".innerloop/writing"
JOURNAL = f"{STAGING}/journal.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One file: its text before and after (None: not there)."""

    path: str
    before: str | None
    after: str | None

    @property
    def verb(self) -> str:
        if self.before is None:
            return "write"
        return "remove" if self.after is None else "update"


class ConcurrentModification(Exception):
    """Somebody wrote one of the files since it was read: what was planned is out of date."""


def memory_text(root: Path) -> str | None:
    """The memory that agrees with the files: the one on disk, and after a sync that was killed
    half-way, what the journal knows better. None when there is none. Writes nothing."""
    text = text_on_disk(root)
    journal = _journal(root)
    if journal is None:
        return text
    written = {
        path: digest
        for path, digest in journal.after.items()
        if _digest(files.read_text(root / path)) == digest
    }
    if len(written) == len(journal.after):
        return journal.memory
    old, new = remembered(text), remembered(journal.memory)
    rendered = {path: value for path, value in old.rendered.items() if path not in written}
    rendered |= {path: value for path, value in new.rendered.items() if path in written}
    return dump(Memory(rendered, old.ejected), EDITOR_FILES)


def text_on_disk(root: Path) -> str | None:
    """What stands there; bytes that are no text are a memory that is lost."""
    try:
        return files.read_text(root / MEMORY)
    except UserError as mistake:
        if isinstance(mistake.__cause__, UnicodeDecodeError):
            return ""
        raise


def recover(root: Path) -> None:
    """Puts the right memory in place and sweeps what a killed sync has left."""
    text = memory_text(root)
    if text is not None and text != text_on_disk(root):
        files.write_text(root / MEMORY, text)
    files.remove_tree(root / STAGING)


def write(root: Path, changes: Sequence[Change], memory: str | None) -> None:
    """Writes all of it (`memory` None: it stays as it is). Raises `Overtaken`, with nothing
    written, when a file is no longer what was read; a `Mistake` when the disk refuses."""
    if not changes and memory is None:
        return
    try:
        staged = _stage(root, changes, memory)
        _check_unchanged(root, changes)
        for change in changes:
            if change.path in staged:
                files.put(staged[change.path], root / change.path)
        # What goes last leaves no folder empty that something was staged for.
        for change in changes:
            if change.path not in staged:
                files.remove(root / change.path)
                for folder in PurePosixPath(change.path).parents:
                    files.remove_if_empty(root / folder)
        if memory is not None:
            files.put(staged[MEMORY], root / MEMORY)
        files.remove_tree(root / STAGING)
    except BaseException:
        # An interruption or a disk that refuses; where even this fails, the next sync does it.
        with suppress(Exception):
            recover(root)
        raise


def remembered(text: str | None) -> Memory:
    """Nothing when it is lost or cannot be read: then nothing of the person's is taken for ours."""
    if text is None:
        return Memory()
    try:
        return load(text)
    except Corrupt:
        return Memory()


@dataclass(frozen=True, slots=True)
class _Journal:
    """The digest of the text that each file was to get (None: it was to go), and the memory."""

    after: Mapping[str, str | None]
    memory: str | None


def _stage(root: Path, changes: Sequence[Change], memory: str | None) -> dict[str, Path]:
    """The staged text of each file that is written; the journal is there when it returns."""
    folder = files.make_folder(root / STAGING)
    texts = {change.path: change.after for change in changes if change.after is not None}
    if memory is not None:
        texts[MEMORY] = memory
    staged = {path: files.stage(root / path, text, folder) for path, text in texts.items()}
    after = {change.path: _digest(change.after) for change in changes}
    journal = {"after": after, "memory": memory or text_on_disk(root)}
    files.write_text(root / JOURNAL, json.dumps(journal))
    return staged


def _check_unchanged(root: Path, changes: Sequence[Change]) -> None:
    if any(files.read_text(root / change.path) != change.before for change in changes):
        raise ConcurrentModification


def _journal(root: Path) -> _Journal | None:
    """None when no sync was killed, or when it was killed before it changed anything."""
    text = files.read_text(root / JOURNAL)
    if text is None:
        return None
    try:
        value = json.loads(text)
        return _Journal(value["after"], value["memory"])
    except (ValueError, KeyError, TypeError):
        return None  # a disk that was torn off: the memory that is there counts


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
