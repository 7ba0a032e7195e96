"""Changes of several files that happen whole or not at all, whatever ends them.

A change writes each step into a journal, onto the disk, before it takes it: with the old file kept
and the new one made beside it. So it can be undone from there, without space on the disk: on an
error and on Ctrl-C at once, after a kill or a power cut by the next command that calls `recover`.
There is one direction only. Once the journal has its other name, the change has happened, and what
is left is swept.

In `.innerloop/changing`:

    journal.jsonl     the steps so far: a JSON object per line
    committed.jsonl   the same, when the change has happened
    1, 2, ...         new files, kept files and deleted ones

The caller holds a lock, so that one change happens at a time. What must be on another disk than
`.innerloop` has a hidden name beside its target.

The journal is parsed as a stranger's: it may have come with the workspace.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

from . import change_folder, files, process
from .errors import UserError
from .late_patterns import late_pattern
from .position import Position
from .quick_dataclasses import dataclass
from .relative_paths import is_inside

FOLDER = change_folder.CHANGE
JOURNAL = f"{FOLDER}/journal.jsonl"
COMMITTED = f"{FOLDER}/committed.jsonl"


@dataclass(frozen=True, slots=True)
class Move:
    """A file or a folder, to a path that does not exist; missing folders are made."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Write:
    """The text of a file that exists or not. The target of a link is written."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class WriteBytes:
    """`Write` for what is no text.

    `executable`: whether those who can read the file can start it; None: as it is.
    """

    path: str
    content: bytes
    executable: bool | None = None


@dataclass(frozen=True, slots=True)
class MakeLink:
    """A symbolic link with the text `leads_to`, in place of a file, a link or nothing."""

    path: str
    leads_to: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file, a link or a whole folder; nothing happens if it does not exist."""

    path: str


@dataclass(frozen=True, slots=True)
class DropEmpty:
    """A folder that may be empty afterwards: it is removed then, with its parents up to `top`."""

    path: str
    top: str


# Paths are relative to the workspace's root, with "/".
Step: TypeAlias = Move | Write | WriteBytes | MakeLink | Delete | DropEmpty
_Record: TypeAlias = Mapping[str, str]

# The keys of each kind of line, besides "do". All values are paths, but for those in _NO_PATHS.
_KEYS = {
    "begin": {"what"},
    "make": {"path"},
    "hide": {"path"},
    "move": {"path", "target"},
    "across": {"path", "target", "copy", "aside"},
    "put": {"path", "staged", "kept", "old", "new"},
    "drop": {"path", "top"},
}
_NO_PATHS = {"what", "old", "new"}
_HIDDEN = late_pattern(r"\.[^/]{1,200}\.[0-9a-f]{16}\Z")


@dataclass(frozen=True, slots=True)
class _Interrupted:
    """What a killed change left. `what` is for people: "the rename of a to b"."""

    what: str
    records: tuple[_Record, ...]


def title(root: Path) -> str:
    """What was interrupted, for people; "" when it is not known, or had happened already.

    Raises UserError for a journal that cannot be read.
    """
    journal = _read(root, JOURNAL)
    return "" if journal is None else journal.what


def recover(root: Path) -> str:
    """Undo a change that was killed and sweep what it left; the caller holds the lock.

    Returns a message for people, or "" when there was nothing to undo. Raises UserError, with
    nothing changed, for a journal that cannot be read.
    """
    files.confine(root)
    _reject_old_records(root)
    committed = _read(root, COMMITTED)
    if committed is not None:
        _sweep(root, committed.records)
        return ""
    journal = _read(root, JOURNAL)
    if journal is not None:
        _undo(root, journal.records)
        _sweep(root, ())
        if all(record["do"] in ("begin", "hide") for record in journal.records):
            return ""  # it had changed nothing yet
        return f"undid {journal.what}, which was interrupted: run that command again"
    if change_folder.is_pending(root):
        _sweep(root, ())
    return ""


@contextmanager
def change(root: Path, what: str) -> Iterator[WorkspaceChange]:
    """A change that happens when the block ends, and is undone when the block raises.

    The caller holds the lock and has called `recover`. SIGINT and SIGTERM raise within
    `WorkspaceChange.carry_out`, between two steps.
    """
    files.confine(root)
    with process.deferred_interrupts() as interrupts:
        current = WorkspaceChange(root, interrupts)
        try:
            current.begin(what)
            yield current
            interrupts.raise_pending()
            files.rename(root / JOURNAL, root / COMMITTED)
        except BaseException as error:
            current.undo(error)
            if isinstance(error, Exception):
                interrupts.raise_pending()  # it may be why a program failed
            raise
        with suppress(UserError, OSError):  # the next command sweeps
            _sweep(root, current.records)


class StepTaker(Protocol):
    """A change that is under way, as its parts see it."""

    @property
    def root(self) -> Path:
        """The workspace's root."""

    def carry_out(self, steps: Iterable[Step]) -> None:
        """See `WorkspaceChange.carry_out`."""


class WorkspaceChange:
    """The steps so far of one change."""

    def __init__(self, root: Path, interrupts: process.DeferredInterrupts) -> None:
        self.root = root
        self.records: list[_Record] = []
        self._interrupts = interrupts
        self._count = 0

    def begin(self, what: str) -> None:
        files.make_folder(self.root / FOLDER)
        files.flush_folder(self.root / FOLDER.rpartition("/")[0])
        self._write_down([{"do": "begin", "what": what}])
        files.flush_folder(self.root / FOLDER)

    def carry_out(self, steps: Iterable[Step]) -> None:
        """Take these steps. No step may need what another step of the same call does.

        Raises UserError; the steps before are undone when the block of `change` ends with it.
        """
        made: set[str] = set()
        records = [record for step in steps for record in self._prepare(step, made)]
        self._interrupts.raise_pending()
        files.flush_folder(self.root / FOLDER)
        self._write_down(records)
        for record in records:
            self._interrupts.raise_pending()
            _perform(self.root, record)

    def undo(self, error: BaseException) -> None:
        """Undo all steps. If that fails, the next command does it, and `error` says so."""
        try:
            _undo(self.root, self.records)
            _sweep(self.root, ())
        except Exception as failure:
            if isinstance(error, UserError):
                more = (
                    f"What was done so far could not be undone ({failure}); the next command will"
                )
                error.hint = f"{error.hint}. {more}" if error.hint else more

    def _write_down(self, records: list[_Record]) -> None:
        """The journal comes first: a line that is torn or missing belongs to no step."""
        if records:
            text = "".join(json.dumps(record) + "\n" for record in records)
            files.append(self.root / JOURNAL, text)
            self.records += records

    def _prepare(self, step: Step, made: set[str]) -> Iterator[_Record]:
        """The lines for a step. What needs space on the disk is done here."""
        if isinstance(step, DropEmpty):
            yield {"do": "drop", "path": step.path, "top": step.top}
        elif isinstance(step, Delete):
            if os.path.lexists(_path(self.root, step.path)):
                # On another disk too it only gets another name; the sweep removes it.
                target = self._beside(step.path)
                yield {"do": "move", "path": step.path, "target": target}
        elif isinstance(step, Move):
            yield from self._folders(step.target, made)
            yield from self._moving(step.path, step.target)
        else:
            try:
                yield from self._putting(step, made)
            except UserError as error:
                error.where = step.path  # not the hidden one beside it
                raise

    def _folders(self, path: str, made: set[str]) -> Iterator[_Record]:
        """The missing folders above a path, the outermost first."""
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            name = parent.as_posix()
            if name not in made and not (self.root / name).is_dir():
                made.add(name)
                yield {"do": "make", "path": name}

    def _moving(self, path: str, target: str) -> Iterator[_Record]:
        source, above = _path(self.root, path), _existing(self.root, target)
        if _device(source.parent) == _device(self.root / above):
            yield {"do": "move", "path": path, "target": target}
            return
        parent = PurePosixPath(path).parent.as_posix()
        copy, aside = _hidden(above, target), _hidden(parent, path)
        self._write_down([{"do": "hide", "path": copy}])
        files.copy_whole(source, self.root / copy)
        yield {"do": "across", "path": path, "target": target, "copy": copy, "aside": aside}

    def _putting(self, step: Write | WriteBytes | MakeLink, made: set[str]) -> Iterator[_Record]:
        path = step.path if isinstance(step, MakeLink) else _written(self.root, step.path)
        target = _path(self.root, path)
        yield from self._folders(path, made)
        old = _identity(target)
        staged = self._beside(path)
        if isinstance(step, MakeLink):
            files.make_link(self.root / staged, step.leads_to)
        else:
            if old:
                files.require_writable(target)
            mode = files.mode_of(target) if old else None
            if isinstance(step, WriteBytes):
                new = self.root / staged
                files.write_new(new, step.content, mode, executable=step.executable)
            else:
                files.write_new(self.root / staged, step.text, mode)
        kept = ""
        if old:
            kept = self._beside(path)
            files.keep(target, self.root / kept)
        after = _identity(self.root / staged)
        yield {"do": "put", "path": path, "staged": staged, "kept": kept, "old": old, "new": after}

    def _beside(self, path: str) -> str:
        """A free path on the disk of `path`; written down if it is not in the change's folder."""
        above = _existing(self.root, path)
        if _device(self.root / FOLDER) == _device(self.root / above):
            return f"{FOLDER}/{self._number()}"
        hidden = _hidden(above, path)
        self._write_down([{"do": "hide", "path": hidden}])
        return hidden

    def _number(self) -> int:
        self._count += 1
        return self._count


def _perform(root: Path, record: _Record) -> None:
    """Takes a step. None needs space for a file's content."""
    kind = record["do"]
    if kind == "make":
        files.make_folder(_path(root, record["path"]))
    elif kind == "move":
        _move(root, record["path"], record["target"])
    elif kind == "across":
        _require_free(root, record["target"])
        _move(root, record["path"], record["aside"])
        _move(root, record["copy"], record["target"])
    elif kind == "put":
        files.replace(root / record["staged"], _path(root, record["path"]))


def _undo(root: Path, records: Iterable[_Record]) -> None:
    """Undoes the steps that were taken, the last first. Can be repeated at any moment."""
    for record in reversed([*records]):
        kind = record["do"]
        if kind == "make":
            files.remove_if_empty(_path(root, record["path"]))
        elif kind == "move":
            _move_back(root, record["path"], record["target"])
        elif kind == "across":
            aside, target = _path(root, record["aside"]), _path(root, record["target"])
            # On one disk a change copies nothing, so what is at the target is no copy.
            if os.path.lexists(aside) and _device(aside.parent) != _device(target.parent):
                _delete(root, record["target"])
                _move_back(root, record["path"], record["aside"])
        elif kind == "put":
            _put_back(root, record)
        elif kind == "hide":
            _delete(root, record["path"])


def _move_back(root: Path, path: str, target: str) -> None:
    if not os.path.lexists(_path(root, target)):
        return
    _require_free(root, path)
    files.make_folder(_path(root, path).parent)
    files.rename(_path(root, target), _path(root, path))


def _put_back(root: Path, record: _Record) -> None:
    """What somebody wrote into the file after the kill stays."""
    path, kept = _path(root, record["path"]), record["kept"]
    now = _identity(path)
    if now not in ("", record["new"]) or record["old"] == record["new"]:
        return
    if not kept:
        files.remove(path)
    elif os.path.lexists(_path(root, kept)) and _identity(root / kept) == record["old"]:
        files.replace(root / kept, path)


def _sweep(root: Path, records: Iterable[_Record]) -> None:
    """Removes what a change needed; `records` are those of a change that has happened."""
    for record in records:
        if record["do"] == "hide":
            _delete(root, record["path"])
        elif record["do"] == "across":
            _delete(root, record["aside"])
    for record in records:
        if record["do"] == "drop":
            _drop_empty(root, record["path"], record["top"])
    if os.path.lexists(root / COMMITTED):
        # Last, so that a kill during the sweep finds it again.
        for entry in sorted(os.scandir(_path(root, FOLDER)), key=lambda entry: entry.name):
            if entry.name != COMMITTED.rpartition("/")[2]:
                _delete(root, f"{FOLDER}/{entry.name}")
    for folder in (FOLDER, change_folder.OLD_STAGING):
        _delete(root, folder)


def _drop_empty(root: Path, path: str, top: str) -> None:
    for folder in (path, *(parent.as_posix() for parent in PurePosixPath(path).parents)):
        if folder in (top, "."):
            return
        files.remove_if_empty(_path(root, folder))


def _delete(root: Path, path: str) -> None:
    full = _path(root, path)
    if full.is_dir() and not full.is_symlink():
        files.remove_tree(full)
    else:
        files.remove(full)


def _move(root: Path, path: str, target: str) -> None:
    _require_free(root, target)
    files.rename(_path(root, path), _path(root, target))


def _require_free(root: Path, path: str) -> None:
    if os.path.lexists(_path(root, path)):
        raise UserError(
            "something with this name exists",
            code="path-exists",
            where=path,
            hint="Move it away, and run the command again",
        )


def _path(root: Path, path: str) -> Path:
    """`files` lets no link lead a change out of the root: see `change` and `recover`."""
    return root / path


def _written(root: Path, path: str) -> str:
    """The path of the file that is written: the target of a link."""
    full = root / path
    if not full.is_symlink():
        return path
    real = os.path.relpath(os.path.realpath(full), os.path.realpath(root)).replace(os.sep, "/")
    if not is_inside(real):
        raise UserError(
            "this link leads out of the workspace, so nothing is changed through it",
            code="link-leads-out",
            where=path,
            hint="Replace it with a file, and run the command again",
        )
    return real


def _existing(root: Path, path: str) -> str:
    """The innermost folder above a path that exists; "." is the root."""
    parents = (parent.as_posix() for parent in PurePosixPath(path).parents)
    return next((name for name in parents if (root / name).is_dir()), ".")


def _device(folder: Path) -> int:
    try:
        return folder.stat().st_dev
    except OSError as error:
        raise files.cannot("read", folder, error) from error


def _hidden(folder: str, path: str) -> str:
    name = f".{PurePosixPath(path).name[:100]}.{os.urandom(8).hex()}"
    return name if folder == "." else f"{folder}/{name}"


def _identity(path: Path) -> str:
    """What a file or a link says, as a digest; "" when it does not exist."""
    import hashlib

    try:
        if path.is_symlink():
            return "link " + hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
        return "file " + hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except IsADirectoryError:
        return "folder"
    except OSError as error:
        raise files.cannot("read", path, error) from error


def _reject_old_records(root: Path) -> None:
    for path in change_folder.OLD_RECORDS:
        if os.path.lexists(root / path):
            raise _unreadable(path)


def _unreadable(where: str | Position) -> UserError:
    return UserError(
        "this record of an interrupted command cannot be read",
        code="journal-invalid",
        where=where,
        hint="Delete it, then see what `git status` shows",
    )


def _read(root: Path, path: str) -> _Interrupted | None:
    """The journal; None when there is none. Raises UserError for one that no change wrote."""
    try:
        text = files.read_own(root / path, plain=True)
    except UserError as error:
        raise _unreadable(path) from error
    if text is None:
        return None
    # The last line may be torn: its step was not taken.
    lines = text.split("\n")[:-1]
    records = [_record(line, Position(path, number, 1)) for number, line in enumerate(lines, 1)]
    what = records[0].get("what", "") if records else ""
    shown = "".join(char for char in what if char.isprintable())[:200]
    return _Interrupted(shown or "a change", tuple(records))


def _record(line: str, where: Position) -> _Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    keys = _KEYS.get(str(value.get("do"))) if isinstance(value, dict) else None
    if (
        not isinstance(value, dict)
        or keys is None
        or set(value) != {"do", *keys}
        or not all(isinstance(text, str) for text in value.values())
        or not all(_is_allowed(key, value[key]) for key in keys - _NO_PATHS)
        or (value["do"] == "hide" and not _is_allowed("copy", value["path"]))
    ):
        raise _unreadable(where)
    return value


def _is_allowed(key: str, path: str) -> bool:
    """Whether a change may have written this path under this key."""
    if key in ("kept", "top") and path in ("", "."):
        return True
    try:
        lengths = [len(os.fsencode(part)) for part in path.split("/")]
    except UnicodeEncodeError:
        return False
    if max(lengths) > 255 or sum(lengths) > 3000:
        return False
    if not is_inside(path) or ".git" in {part.casefold() for part in path.split("/")}:
        return False
    name = path.rpartition("/")[2]
    if key in ("copy", "aside"):
        return _HIDDEN.match(name) is not None
    if key in ("staged", "kept"):
        return path.startswith(f"{FOLDER}/") or _HIDDEN.match(name) is not None
    return True
