"""What a workspace needs besides `loop sync` when its tool becomes another version.

A migration is a pure function from a workspace's text to edits: settings that were renamed, files
that moved. There is one module per version, named after it (`v0_3_0`), with a folder of files before
and after as its test. A migration never touches `src/**/*.py`, and what it does not find, it leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path

from ...util import files, regular_files, versions
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass
from ...util.undo_journal import Delete, MakeLink, Move, Step, Write


@dataclass(frozen=True)
class WorkspaceSnapshot:
    """The files of a workspace as they are, or as they will be after some steps.

    `texts`: what differs from the disk; None for a file or a folder that is gone.
    """

    root: Path
    texts: Mapping[str, str | None] = field(default_factory=dict)

    def read(self, path: str) -> str | None:
        """The text of a file; None when there is none. UserError for what is no text."""
        if path in self.texts:
            return self.texts[path]
        if self._is_gone(path) or (self.root / path).is_dir():
            return None
        return files.read_own(self.root / path)

    def content(self, path: str) -> bytes | None:
        """The bytes of a file, or the target of a link; None when there is neither, or it is odd."""
        text = self.texts.get(path)
        if text is not None or path in self.texts or self._is_gone(path):
            return None if text is None else text.encode()
        try:
            if (self.root / path).is_symlink():
                return os.fsencode(os.readlink(self.root / path).replace(os.sep, "/"))
            return regular_files.read_bytes(self.root / path, follow=False)
        except (OSError, UserError):
            return None

    def names(self, folder: str) -> list[str]:
        """What is directly in a folder, sorted; the names of folders end with a slash."""
        found = {*self._on_disk(folder)}
        prefix = f"{folder}/" if folder else ""
        for path, text in self.texts.items():
            if path.startswith(prefix):
                name, slash, _ = path.removeprefix(prefix).partition("/")
                if text is not None:
                    found.add(name + slash)
                elif not slash:
                    found -= {name, f"{name}/"}
        return sorted(found)

    def walk(self, folder: str) -> list[str]:
        """The paths of all files below a folder, sorted. Links to folders are not followed."""
        paths: list[str] = []
        for name in self.names(folder):
            path = f"{folder}/{name}" if folder else name
            paths += self.walk(path[:-1]) if path.endswith("/") else [path]
        return paths

    def after(self, steps: Iterable[Step]) -> WorkspaceSnapshot:
        """The files as they will be when these steps are taken."""
        snapshot = self
        for step in steps:
            snapshot = snapshot._after(step)
        return snapshot

    def _after(self, step: Step) -> WorkspaceSnapshot:
        if isinstance(step, Write):
            return self._with({step.path: step.text})
        if isinstance(step, Delete):
            return self._without(step.path)
        if isinstance(step, Move):
            below = [step.path, *(path for path in self.walk(step.path))]
            texts = {path: self.read(path) for path in below}
            moved = {step.target + path[len(step.path) :]: text for path, text in texts.items()}
            real = {path: text for path, text in moved.items() if text is not None}
            return self._without(step.path)._with(real)
        if isinstance(step, MakeLink):
            target = os.path.normpath(os.path.join(os.path.dirname(step.path), step.leads_to))
            return self._with({step.path: self.read(target.replace(os.sep, "/"))})
        return self  # an empty folder has no files

    def _with(self, texts: Mapping[str, str | None]) -> WorkspaceSnapshot:
        return WorkspaceSnapshot(self.root, {**self.texts, **texts})

    def _without(self, path: str) -> WorkspaceSnapshot:
        left = {name: text for name, text in self.texts.items() if not _is_below(name, path)}
        return WorkspaceSnapshot(self.root, {**left, path: None})

    def _is_gone(self, path: str) -> bool:
        return any(text is None and _is_below(path, name) for name, text in self.texts.items())

    def _on_disk(self, folder: str) -> list[str]:
        if folder and self._is_gone(folder):
            return []
        try:
            with os.scandir(self.root / folder) as entries:
                return [entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries]
        except OSError:
            return []


@dataclass(frozen=True)
class Migration:
    """`version`: the first one that needs it. `summary`: what a person will notice, one line.

    `steps` makes the edits out of the files as they are; it reads nothing else. `notes` are lines
    about what is left to the person, by the same files.
    """

    version: str
    summary: str
    steps: Callable[[WorkspaceSnapshot], Iterable[Step]]
    notes: Callable[[WorkspaceSnapshot], Iterable[str]] = field(default=lambda snapshot: ())


def between(old: str, new: str) -> tuple[Migration, ...]:
    """The migrations from one version to a newer one, the oldest first; none for an older one.

    `old` is "" for a workspace that holds the tool itself, in `scripts/innerloop`.
    """
    reached = versions.parse(new)
    if reached is not None and reached.phase < versions.FINAL:
        new = ".".join(map(str, reached.release))  # it has what the release after it brings
    return tuple(
        migration
        for migration in _all()
        if versions.is_newer(migration.version, old)
        and not versions.is_newer(migration.version, new)
    )


def planned(
    snapshot: WorkspaceSnapshot, migrations: Iterable[Migration]
) -> tuple[tuple[Migration, tuple[Step, ...]], ...]:
    """The steps of each migration, which sees the files as those before leave them."""
    found = []
    for migration in migrations:
        steps = tuple(migration.steps(snapshot))
        snapshot = snapshot.after(steps)
        found.append((migration, steps))
    return tuple(found)


def _all() -> tuple[Migration, ...]:
    """The oldest first. Imported late: few commands need them."""
    from . import vendored

    return (vendored.MIGRATION,)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
