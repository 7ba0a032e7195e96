"""What is in flight in a workspace: a small file for each run, pipeline, sweep, server and terminal.

`.innerloop/running/<id>.json` exists from before the start until the end. One whose processes have
ended was left by a kill, and the next command looks for what it has left behind. The files are read
as a stranger's: names, numbers and paths are checked, and anything else is ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.paths import QUEUED
from ..util import change_folder, files, process, process_identity
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.process_identity import ProcessIdentity
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:
    from ..model.experiment import Experiment

FOLDER = ".innerloop/running"

_ID = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")
_WORD = late_pattern(r"[\w .,/-]{1,200}")
_LARGEST = 20_000


@dataclass(frozen=True, slots=True)
class InFlight:
    """Something that was started and whose end is not known.

    `what` is a word for messages ("run", "server"); `folder` is that of its outputs, relative to the
    workspace's root, "" without one. `tool` is the command that watches it, `program` what that
    started on this machine (None: nothing yet, or a container).
    """

    id: str
    what: str
    experiment: str
    tool: ProcessIdentity
    folder: str = ""
    program: ProcessIdentity | None = None

    @property
    def processes(self) -> tuple[ProcessIdentity, ...]:
        return (self.tool,) if self.program is None else (self.tool, self.program)

    @property
    def life(self) -> process_identity.Life:
        """Alive when any of its processes is."""
        lives = {process_identity.life(one) for one in self.processes}
        return "alive" if "alive" in lives else "elsewhere" if "elsewhere" in lives else "dead"

    @property
    def is_watched(self) -> bool:
        return process_identity.life(self.tool) != "dead"

    def json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "what": self.what,
            "experiment": self.experiment,
            "folder": self.folder,
            "tool": self.tool.json(),
            "program": None if self.program is None else self.program.json(),
        }


@dataclass(slots=True)
class Mark:
    """The file of something in flight. `is_kept`: it stays, since what it stands for goes on."""

    path: Path
    value: InFlight
    is_kept: bool = field(default=False)

    def has_started(self, program: ProcessIdentity) -> None:
        """Write down the process that was started. A full disk does not stop it."""
        self.value = replace(self.value, program=program)
        with suppress(UserError):
            _write(self.path, self.value)


def begin(root: Path, id: str, what: str, experiment: str, folder: str = "") -> Mark:
    """Write down that it is in flight, before anything of it is there."""
    value = InFlight(id, what, experiment, process_identity.own(), folder)
    mark = Mark(root / FOLDER / f"{id}.json", value)
    _write(mark.path, value)
    return mark


@contextmanager
def marked(
    root: Path, id: str, what: str, experiment: Experiment, folder: str = ""
) -> Iterator[Mark]:
    """Within, it is in flight. UserError, before anything starts, if it cannot be written down.

    Also if the experiment has been renamed or removed meanwhile: these hold the same lock.
    """
    with files.locked(root / change_folder.LOCK, waiting=change_folder.WAITING):
        if not (root / experiment.folder).is_dir():
            raise UserError(
                f"{experiment.name} was renamed or removed meanwhile",
                code="experiment-missing",
                where=experiment.folder,
                hint="Start it again by its new name; `scripts/loop list` shows it",
            )
        mark = begin(root, id, what, experiment.name, folder)
    try:
        with process.reported_starts(lambda pid: mark.has_started(process_identity.of(pid))):
            yield mark
    finally:
        if not mark.is_kept:
            forget(root, id)


def read_all(root: Path) -> list[InFlight]:
    """Everything that was started and not ended by its own command, oldest first."""
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    found = (_read(folder / name) for name in names if name.endswith(".json"))
    return [value for value in found if value is not None]


def copies_of(root: Path, id: str) -> Path:
    """The folder with the copies of a detached run's code."""
    return root / QUEUED / id


def forget(root: Path, id: str) -> None:
    """Remove the file; one that cannot be removed is found and removed by a later command.

    Before it, the copies of the run's code: while there are any, there is a file.
    """
    copies = copies_of(root, id)
    if copies.is_dir() and not (copies.is_symlink() or copies.parent.is_symlink()):
        files.remove_tree(copies)
        files.remove_if_empty(copies.parent)
    with suppress(UserError):
        files.remove(root / FOLDER / f"{id}.json")


def _read(path: Path) -> InFlight | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        value = json.loads(files.read_text(path) or "null")
    except (OSError, ValueError, RecursionError, UserError):
        return None
    return parse(value) if isinstance(value, dict) and value.get("id") == path.stem else None


def parse(value: dict[str, Any]) -> InFlight | None:
    """What is in flight according to the content of its file; None for anything unexpected."""
    texts = [value.get(key) for key in ("id", "what", "experiment", "folder")]
    tool = process_identity.parse(value.get("tool"))
    if tool is None or not all(isinstance(text, str) for text in texts):
        return None
    id, what, experiment, folder = map(str, texts)
    if not _ID.fullmatch(id) or not _WORD.fullmatch(what) or not _WORD.fullmatch(experiment):
        return None
    if folder and not is_run_folder(folder):
        return None
    program = process_identity.parse(value.get("program"))
    return InFlight(id, what, experiment, tool, folder, program)


def is_run_folder(folder: str) -> bool:
    """Whether this is the form of a run's folder: outputs/<slug>/<run>, or a folder in it."""
    parts = folder.split("/")
    return parts[0] == "outputs" and 3 <= len(parts) <= 4 and all(map(_ID.fullmatch, parts[1:]))


def _write(path: Path, value: InFlight) -> None:
    """Without waiting for the disk: after a crash of the machine nothing is in flight."""
    text = json.dumps(value.json(), indent=2) + "\n"
    files.write_stream(path, [text.encode("utf-8")])
