"""Generated files and the record of them, written so that they agree even after a kill.

All texts go to a staging folder first: a full disk or a read-only file fails there, before anything
has changed. Then a journal is written, each text replaces its file in one step, and the record comes
last. A process that is killed in between leaves the journal, which has the digest of the text that
each file was to get, so the next sync can tell for each file whether the old or the new text is
there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .. import __version__
from ..util import change_folder, digests, files, process, undo_journal, versions
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from .merge_rules import EDITOR_FILES
from .render.generated_paths import may_generate
from .state_file import CorruptState, ForeignPath, State, dump, load, version_in

STATE = ".innerloop/state.json"
PIN = "scripts/loop-requirements.txt"
STAGING = change_folder.SYNC
JOURNAL = f"{STAGING}/journal.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One file: its text before and after (None: it does not exist)."""

    path: str
    before: str | None
    after: str | None

    @property
    def verb(self) -> str:
        if self.before is None:
            return "write"
        return "remove" if self.after is None else "update"


class ConcurrentModification(Exception):
    """One of the files changed after it was read: the plan is out of date."""


def state_text(root: Path) -> str | None:
    """The record that agrees with the files.

    It is the one on the disk, corrected by the journal of a sync that was killed. None when there
    is no record. Writes nothing.
    """
    text = text_on_disk(root)
    journal = _journal(root)
    if journal is None:
        return text
    written = {
        path
        for path, digest in journal.after.items()
        if _digest(files.read_own(root / path, plain=True)) == digest
    }
    if len(written) == len(journal.after):
        return journal.state
    old, new = parse_state(text), parse_state(journal.state)
    generated = {path: value for path, value in old.generated.items() if path not in written}
    generated |= {path: value for path, value in new.generated.items() if path in written}
    unknown = (old.unknown - written) | (new.unknown & written)
    version = versions.newest(old.version, new.version)
    made = {**old.made, **new.made}
    record = State(generated, old.ejected, unknown, version=version, made=made)
    return dump(record, EDITOR_FILES)


def text_on_disk(root: Path) -> str | None:
    """The record's text; "" for bytes that are not UTF-8."""
    try:
        return files.read_own(root / STATE, plain=True)
    except UserError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            return ""
        raise


def recover(root: Path) -> None:
    """Writes the record that agrees with the files, and removes what a killed sync left.

    What a newer version left stays: its record may have a form that is not known here.
    """
    if versions.is_newer(_version_of_killed(root), __version__):
        return
    text = state_text(root)
    if text is not None and text != text_on_disk(root):
        files.put(files.stage(root / STATE, text, files.make_folder(root / STAGING)), root / STATE)
    files.remove_tree(root / STAGING)


def write(root: Path, changes: Sequence[Change], state: str | None) -> None:
    """Writes all of it (`state` None: the record stays as it is).

    Raises ConcurrentModification, with nothing written, when a file is no longer as it was read;
    UserError when the disk refuses.
    """
    if not changes and state is None:
        return
    with process.deferred_interrupts():
        try:
            _write(root, changes, state)
        except BaseException:
            # A disk that refuses. If recovery fails too, the next sync does it.
            with suppress(Exception):
                recover(root)
            raise


def _write(root: Path, changes: Sequence[Change], state: str | None) -> None:
    staged = _stage(root, changes, state)
    check_unchanged(root, changes)
    for change in changes:
        if change.path in staged:
            files.put(staged[change.path], root / change.path, plain=True)
    # Removals come last, so that no folder is removed as empty that a staged file goes to.
    for change in changes:
        if change.path not in staged:
            files.remove(root / change.path, plain=True)
            for folder in PurePosixPath(change.path).parents:
                files.remove_if_empty(root / folder)
    if state is not None:
        files.put(staged[STATE], root / STATE, plain=True)
    files.remove_tree(root / STAGING)


def steps(changes: Sequence[Change], state: str | None) -> Iterator[undo_journal.Step]:
    """The same as steps of a larger change, which can be undone: see `undo_journal`."""
    for change in changes:
        if change.after is not None:
            yield undo_journal.Write(change.path, change.after)
    for change in changes:
        if change.after is None:
            yield undo_journal.Delete(change.path)
            folder = PurePosixPath(change.path).parent.as_posix()
            yield undo_journal.DropEmpty(folder, ".")
    if state is not None:
        yield undo_journal.Write(STATE, state)


def require_record(root: Path, *, accepts_newer: bool = False) -> None:
    """Raise UserError for a record that this tool is not to change, before anything else.

    It names paths that sync never generates, or a newer version wrote it. A sync of a newer version
    that was killed is for that version to complete, so it is refused in any case.
    """
    if accepts_newer:
        _require_not_newer(_version_of_killed(root))
    else:
        require_no_newer(root)
    parse_state(state_text(root))


def require_no_newer(root: Path) -> None:
    """Raise UserError for a record that a newer version of the tool wrote.

    What that version generates is not known here, so nothing is written. Its version is found even
    where this one cannot read the rest.
    """
    on_disk = version_in(text_on_disk(root) or "")
    _require_not_newer(versions.newest(on_disk, _version_of_killed(root)))


def _require_not_newer(version: str) -> None:
    if versions.is_newer(version, __version__):
        raise UserError(
            f"innerloop {version} generated the files of this workspace; this is innerloop "
            f"{__version__}, which is older and leaves them as they are",
            code="state-newer",
            where=STATE,
            hint=(
                f"Run this branch's own scripts/loop; if it is what ran, {PIN} is older than "
                f"{STATE}: `scripts/loop upgrade --to {version}`"
            ),
        )


def _version_of_killed(root: Path) -> str:
    """The version of a sync that was killed; "" when there is none, or it did not say."""
    journal = _journal_as_written(root)
    state = None if journal is None else journal.state
    return version_in(state or "")


def parse_state(text: str | None, file: str = STATE) -> State:
    """The record; an empty one, marked as damaged, when the text cannot be read.

    UserError, with the line of `file`, if it names a path that sync never generates. In a record of
    a newer version such a path is left out: that version generates it.
    """
    if text is None:
        return State()
    try:
        return load(text, skips_foreign=versions.is_newer(version_in(text), __version__))
    except CorruptState:
        return State(is_damaged=True, version=version_in(text))
    except ForeignPath as foreign:
        raise _foreign(foreign.path, f"{file}:{foreign.line}") from None


def _foreign(path: str, where: str) -> UserError:
    shown = json.dumps(path if len(path) < 200 else f"{path[:200]}...", ensure_ascii=True)
    return UserError(
        f"{shown} is not a file that `loop sync` generates, so nothing is done",
        code="state-path-refused",
        where=where,
        hint="Find out who wrote this line, and remove it",
    )


@dataclass(frozen=True, slots=True)
class _Journal:
    """The digest of the text that each file was to get (None: it was to be removed), and the record."""

    after: Mapping[str, str | None]
    state: str | None


def _stage(root: Path, changes: Sequence[Change], state: str | None) -> dict[str, Path]:
    """The staged text of each file to write. The journal is on the disk when this returns."""
    folder = files.make_folder(root / STAGING)
    texts = {change.path: change.after for change in changes if change.after is not None}
    if state is not None:
        texts[STATE] = state
    staged = {
        path: files.stage(root / path, text, folder, plain=True) for path, text in texts.items()
    }
    after = {change.path: _digest(change.after) for change in changes}
    journal = {"after": after, "state": state or text_on_disk(root)}
    files.write_text(root / JOURNAL, json.dumps(journal))
    return staged


def check_unchanged(root: Path, changes: Sequence[Change]) -> None:
    """Raises ConcurrentModification when a file is no longer as it was read."""
    if any(files.read_own(root / change.path, plain=True) != change.before for change in changes):
        raise ConcurrentModification


def _journal(root: Path) -> _Journal | None:
    """None when no sync was killed, or when it was killed before it changed anything."""
    journal = _journal_as_written(root)
    if journal is None:
        return None
    for path in journal.after:
        if not may_generate(path):
            raise _foreign(path, f"{JOURNAL}:1")
    return None if parse_state(journal.state, JOURNAL).is_damaged else journal


def _journal_as_written(root: Path) -> _Journal | None:
    """The same, whatever paths and record it has."""
    try:
        text = files.read_own(root / JOURNAL, plain=True)
        value = json.loads(text or "")
        after, state = value["after"], value["state"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # torn by the disk: the record as it is counts
    except UserError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            return None
        raise
    if not isinstance(after, dict) or not isinstance(state, (str, type(None))):
        return None
    return _Journal(after, state)


def _digest(text: str | None) -> str | None:
    return None if text is None else digests.sha256(text.encode()).hexdigest()
