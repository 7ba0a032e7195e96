"""The view of the code in which a run works: what it adds beside ./outputs stays out of the code.

A view is a folder in `.innerloop/scratch` that has the entries of the code root, so that the code is
the person's own and not a copy, and two runs at once do not share what they write. On this machine's
file system each entry is a link, and `outputs` leads to the run's folder. For a container, whose
paths are others, files are hard links and folders are mounted (`Mount.parts`).

What is written into a folder of the code is in the code, as is a change of one of its files. What is
new in the view, or has replaced one of its files, moves to `beside-outputs` in the run's folder when
the run ends. Environments of tools (`.venv`) have a place of their own: see `tool_environments`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..model.paths import is_within
from ..model.run import Run
from ..util import files, user_shell
from ..util.errors import UserError
from . import tool_environments

BESIDE = "beside-outputs"
OUTPUTS = "outputs"
_BYTECODE = "__pycache__"
# PDM writes the path of the interpreter of an environment there: that of the person is another one.
_INTERPRETER = ".pdm-python"

# A view of more entries is not made for a container: each costs 20 microseconds, a folder some more.
MOST_ENTRIES = 20_000
MOST_FOLDERS = 100


@dataclass(frozen=True, slots=True)
class Entries:
    """The names directly in a code root, by their kind. Other kinds (sockets) are left out.

    `folders` have no environment of a tool, and `outputs` is in none of them. `foreign` are files
    that cannot have a second name, since they are another user's: a container has them mounted.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def entries_of(code: str, *, environments: Iterable[str] = ()) -> Entries:
    """Read the code root. `environments` are names that are left out."""
    left_out = {OUTPUTS, _INTERPRETER, *environments}
    plain, folders, links = [], [], {}
    with suppress(OSError), os.scandir(code) as found:
        for entry in found:
            if entry.name in left_out:
                continue
            if entry.is_symlink():
                links[entry.name] = os.readlink(entry.path)
            elif entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                plain.append(entry.name)
    return Entries(tuple(sorted(plain)), tuple(sorted(folders)), links=links)


def for_container(run: Run, environments: Iterable[str] = ()) -> Entries | None:
    """The entries of the code root for a container's view; None where no view can be made.

    That is so for a job without a folder of code, for an empty one, for one on another disk, for more
    entries than a start should take, and for folders with names that no option can hold.
    """
    if run.in_place or not run.has_code_folder or run.code is None:
        return None
    code, root = run.code, run.workspace.root
    real, real_root = os.path.realpath(code), os.path.realpath(root)
    if is_within(code, root) and not is_within(real, real_root):
        return None  # reached by a link that leads out
    entries = entries_of(code, environments=environments)
    if not (entries.files or entries.folders or entries.links) or len(entries.files) > MOST_ENTRIES:
        return None
    try:
        if os.stat(code).st_dev != os.stat(_existing(Path(root, run.work))).st_dev:
            return None
        foreign = {name for name in entries.files if not _can_link(os.path.join(code, name))}
    except OSError:
        return None
    parts = (*entries.folders, *foreign)
    if len(parts) > MOST_FOLDERS or not all(name.isprintable() for name in parts):
        return None
    own = tuple(name for name in entries.files if name not in foreign)
    return replace(entries, files=own, foreign=tuple(sorted(foreign)))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _can_link(path: str) -> bool:
    """Whether this user may give the file a second name. Source: proc(5), protected_hardlinks."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return True
    return os.stat(path).st_uid == os.geteuid() or os.access(path, os.R_OK | os.W_OK)


@dataclass(slots=True)
class View:
    """A view that was made, and what it was made of.

    `code` is the code root or the one file that it is, None without code. `linked` has the inode of
    each hard link, `points` are empty files on which something is mounted.
    """

    folder: Path
    code: str | None = None
    linked: Mapping[str, int] = field(default_factory=dict)
    points: tuple[str, ...] = ()


def make_links(
    code: str | None,
    folder: Path,
    outputs: Path,
    environments: Mapping[str, str],
    left_out: Iterable[str] = (),
) -> View:
    """The view for a program of this machine. `environments` maps names to where they lead."""
    files.make_folder(folder)
    links = {OUTPUTS: str(outputs), **environments}
    if code is not None and os.path.isfile(code):
        links[os.path.basename(code)] = code
    elif code is not None:
        found = entries_of(code, environments=(*environments, *left_out, _BYTECODE))
        for name in (*found.files, *found.folders, *found.links):
            links.setdefault(name, os.path.join(os.path.abspath(code), name))
    files.make_links(links, folder)
    return View(folder, code)


def make_for_container(code: str, folder: Path, entries: Entries, points: Iterable[str]) -> View:
    """The view for a container. `points` are further names on which a folder is mounted."""
    files.make_folder(folder)
    for name in {OUTPUTS, *entries.folders, *points}:
        files.make_folder(folder / name)
    for name in entries.foreign:
        files.write_text(folder / name, "")
    files.keep_all(entries.files, Path(code), folder)
    files.make_links(entries.links, folder)
    linked = {}
    for name in entries.files:
        with suppress(OSError):
            linked[name] = os.lstat(folder / name).st_ino
    return View(folder, code, linked, entries.foreign)


def close(view: View, outputs: Path, since: float) -> None:
    """Remove the view. What the program wrote into it moves to `beside-outputs` in `outputs`.

    `since` is the time before the program's start, in seconds since the epoch.
    """
    if view.folder.is_symlink() or not view.folder.is_dir():
        return
    gone: list[str] = []
    kept: list[Path] = []
    for entry in list(os.scandir(view.folder)):
        if _is_ours(view, entry, since):
            gone.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            kept += kept_folder(Path(entry.path))
        else:
            kept.append(Path(entry.path))
    files.remove_all(gone, view.folder)
    errors = [error for path in kept if (error := _moved(path, outputs / BESIDE)) is not None]
    files.remove_if_empty(view.folder)
    files.remove_if_empty(view.folder.parent)
    if errors:
        raise errors[0]


def _moved(path: Path, folder: Path) -> UserError | None:
    """Move what the program wrote; the error if that fails, with which it stays where it is."""
    try:
        files.move_into(path, folder)
    except UserError as error:
        hint = f"It is another user's: {user_shell.owning(str(path))}, then move it"
        is_own = not hasattr(os, "geteuid") or os.lstat(path).st_uid == os.geteuid()
        return error if is_own else _with_hint(error, hint)
    return None


def _with_hint(error: UserError, hint: str) -> UserError:
    return UserError(error.what, code=error.code, where=error.where, hint=hint)


def kept_folder(folder: Path) -> list[Path]:
    """The folder, if the program has made it: not a place for a mount, bytecode or an environment."""
    if folder.name == _BYTECODE or tool_environments.is_environment(folder):
        files.remove_tree(folder)
        return []
    files.remove_if_empty(folder)
    return [folder] if folder.exists() else []


def _is_ours(view: View, entry: os.DirEntry[str], since: float) -> bool:
    """Whether the file or link is one that the view was made of, and not one of the program."""
    if entry.is_symlink():
        return _is_our_link(view, entry)
    if entry.is_dir():
        return False
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return True  # a socket or a named pipe
    if entry.name == _INTERPRETER or (entry.name in view.points and status.st_size == 0):
        return True
    if view.linked.get(entry.name) == status.st_ino:
        # The person may have replaced the file, and the program have written into the old one.
        return status.st_nlink > 1 or status.st_mtime < since
    with suppress(OSError):
        if view.code is not None:
            other = os.lstat(os.path.join(view.code, entry.name))
            is_point = (
                not view.linked and status.st_size == 0
            )  # of a view that another process made
            return is_point or (other.st_dev, other.st_ino) == (status.st_dev, status.st_ino)
    return False


def _is_our_link(view: View, entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        target = os.readlink(entry.path)
        if os.path.isabs(target):
            return True
        return view.code is not None and os.path.islink(os.path.join(view.code, entry.name))
    return True
