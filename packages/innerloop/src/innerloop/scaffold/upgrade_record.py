"""What the last upgrade changed, kept so that one command undoes it.

In `.innerloop/upgraded`, which git ignores:

    record.json    the versions, and every step in its order
    1, 2, ...      the files as they were before

What an upgrade deletes is moved here too. The record is parsed as a stranger's: it may have come
with the workspace.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..sync import conflict_stages, engine
from ..sync.conflict_stages import IndexEntry
from ..util import files, json_records, regular_files
from ..util.errors import UserError, join_names
from ..util.json_records import Record, RecordError
from ..util.quick_dataclasses import dataclass
from ..util.relative_paths import is_inside
from ..util.undo_journal import (
    Delete,
    DropEmpty,
    MakeLink,
    Move,
    Step,
    StepTaker,
    Write,
    WriteBytes,
)

FOLDER = ".innerloop/upgraded"
RECORD = f"{FOLDER}/record.json"
_KEYS = {
    "write": {"path", "kept", "link", "after"},
    "move": {"path", "target"},
    "index": {"path", "mode", "blob"},
}
_Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LastUpgrade:
    """`steps` are the rows of the record; `index` are entries of git's index before."""

    old: str
    new: str
    steps: tuple[_Row, ...]
    index: tuple[IndexEntry, ...]


class RecordedChange:
    """A change whose steps are kept for an undo. The first one drops the record of the one before."""

    def __init__(self, change: StepTaker) -> None:
        self._change = change
        self._rows: list[dict[str, str]] = []
        self._count = 0

    @property
    def root(self) -> Path:
        return self._change.root

    def carry_out(self, steps: Iterable[Step]) -> None:
        """As `WorkspaceChange.carry_out`."""
        real: list[Step] = []
        kept: list[Step] = []
        for step in steps:
            if not self._rows and not real and not kept:
                self._change.carry_out([Delete(FOLDER)])
            if isinstance(step, Delete):
                if not os.path.lexists(self.root / step.path):
                    continue
                step = Move(step.path, f"{FOLDER}/{self._number()}")
            if isinstance(step, Move):
                self._rows.append({"do": "move", "path": step.path, "target": step.target})
            elif not isinstance(step, DropEmpty):
                kept += self._keep(step)
            real.append(step)
        self._change.carry_out(kept)
        self._change.carry_out(real)

    def finish(self, old: str, new: str, index: Sequence[IndexEntry]) -> None:
        """Write the record; `index`: entries of git's index that are to be changed afterwards.

        Where nothing was changed, the record of the upgrade before stays.
        """
        if not self._rows:
            return
        rows = [*self._rows]
        rows += [{"do": "index", "path": e.path, "mode": e.mode, "blob": e.blob} for e in index]
        text = json.dumps({"old": old, "new": new, "steps": rows}, indent=1) + "\n"
        self._change.carry_out([Write(RECORD, text)])

    def _keep(self, step: Write | WriteBytes | MakeLink) -> Iterator[Step]:
        path = self.root / step.path
        row = {"do": "write", "path": step.path, "kept": "", "link": "", "after": _after(step)}
        if isinstance(step, MakeLink) and path.is_symlink():
            row["link"] = os.readlink(path)
        elif os.path.lexists(path):
            row["kept"] = f"{FOLDER}/{self._number()}"
            yield WriteBytes(row["kept"], regular_files.read_or_fail(path), _is_executable(path))
        self._rows.append(row)

    def _number(self) -> int:
        self._count += 1
        return self._count


def read(root: Path) -> LastUpgrade | None:
    """None when there was no upgrade, or it was undone. UserError for a record that is none."""
    try:
        record = json_records.read_file(root / RECORD)
        if record is None:
            return None
        rows = [_row(record, row) for row in record.as_list_of("steps", dict)]
        steps = tuple(row for row in rows if row["do"] != "index")
        index = tuple(
            IndexEntry(row["path"], row["mode"], row["blob"])
            for row in rows
            if row["do"] == "index"
        )
        return LastUpgrade(record.as_str("old"), record.as_str("new"), steps, index)
    except RecordError as error:
        raise UserError(
            f"the record of the last upgrade cannot be read: {error.what}",
            code="upgrade-record-invalid",
            where=error.position(RECORD),
            hint=f"Delete {FOLDER}; git has what was committed before the upgrade",
        ) from error


def text_before(root: Path, last: LastUpgrade, path: str) -> str:
    """A file as it was before the upgrade; "" if the upgrade did not change it."""
    for row in last.steps:
        if row["do"] == "write" and row["path"] == path and row["kept"]:
            return files.read_own(root / row["kept"]) or ""
    return ""


def removed(root: Path, last: LastUpgrade) -> Iterator[tuple[str, Path]]:
    """The files that the upgrade removed, each with the place where it is kept."""
    for row in last.steps:
        if row["do"] == "move" and row["target"].startswith(f"{FOLDER}/"):
            kept = (root / row["target"]).resolve()
            if kept.is_file() and kept.is_relative_to(root.resolve()):
                yield row["path"], kept


def preview(last: LastUpgrade) -> Iterator[str]:
    """A line for each file that `undo` changes."""
    for row in reversed(last.steps):
        if row["do"] == "move" and not row["target"].startswith(f"{FOLDER}/"):
            yield f"move {row['target']} to {row['path']}"
        elif row["do"] == "move" or row["kept"] or row["link"]:
            yield f"restore {row['path']}"
        else:
            yield f"remove {row['path']}"


def undo(root: Path, last: LastUpgrade) -> None:
    """Bring back every file as it was before the upgrade, in one change.

    UserError, with nothing changed, if one of them was changed since.
    """
    what = f"the undo of the upgrade to {last.new}"
    with engine.change(root, what, accepts_newer=True) as change:
        if changed := _changed(root, last.steps):
            raise UserError(
                f"changed since the upgrade: {join_names(sorted(changed))}",
                code="upgrade-undo-refused",
                hint=(
                    f"Nothing was undone. `scripts/loop upgrade --to {last.old}` goes back to the "
                    "older version and keeps your changes"
                ),
            )
        for row in reversed(last.steps):
            change.carry_out(_undoing(root, row))
        change.carry_out([Delete(FOLDER)])
    conflict_stages.unmark(root, last.index)


def _undoing(root: Path, row: _Row) -> Iterator[Step]:
    path = row["path"]
    if row["do"] == "move":
        yield Move(row["target"], path)
        yield DropEmpty(os.path.dirname(row["target"]) or ".", ".")
    elif row["link"]:
        yield MakeLink(path, row["link"])
    elif row["kept"]:
        kept = root / row["kept"]
        yield WriteBytes(path, regular_files.read_or_fail(kept), _is_executable(kept))
    else:
        yield Delete(path)
        yield DropEmpty(os.path.dirname(path) or ".", ".")


def _changed(root: Path, rows: Iterable[_Row]) -> set[str]:
    """The files that are not as the upgrade left them."""
    expected: dict[str, str] = {}
    for row in rows:
        if row["do"] == "write":
            for parent in PurePosixPath(row["path"]).parents:
                expected.pop(parent.as_posix(), None)  # it was moved away, and is there again
            expected[row["path"]] = row["after"]
            continue
        source, target = row["path"], row["target"]
        for path in [path for path in expected if path == source or path.startswith(f"{source}/")]:
            expected[target + path[len(source) :]] = expected.pop(path)
        expected[source] = ""
        expected.setdefault(target, "any")
    return {path for path, digest in expected.items() if not _is(root / path, digest)}


def _is(path: Path, digest: str) -> bool:
    if digest == "any":
        return os.path.lexists(path)
    return _digest(path) == digest


def _digest(path: Path) -> str:
    """What a file or a link says; "" for a path that does not exist, "folder" for one."""
    if path.is_symlink() and not path.is_file():
        return _of(os.fsencode(os.readlink(path)))
    if not os.path.lexists(path):
        return ""
    return "folder" if path.is_dir() else _of(regular_files.read_or_fail(path))


def _after(step: Write | WriteBytes | MakeLink) -> str:
    if isinstance(step, Write):
        return _of(step.text.encode("utf-8", "surrogateescape"))
    return _of(step.content) if isinstance(step, WriteBytes) else "any"


def _of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_executable(path: Path) -> bool:
    return os.name != "nt" and bool(files.mode_of(path) & 0o100)


def _row(record: Record, row: dict[str, object]) -> dict[str, str]:
    keys = _KEYS.get(str(row.get("do")))
    texts = {key: value for key, value in row.items() if isinstance(value, str)}
    if keys is None or set(texts) != {"do", *keys} or len(texts) != len(row):
        record.fail("steps", "has a step that no upgrade writes")
    paths = [texts[key] for key in ("path", "target", "kept") if texts.get(key)]
    for path in paths:
        parts = path.casefold().split("/")
        if not is_inside(path) or ".git" in parts:
            record.fail("steps", "has a path that no upgrade changes")
    if texts.get("kept") and not texts["kept"].startswith(f"{FOLDER}/"):
        record.fail("steps", "has a path that no upgrade keeps a file in")
    return texts
