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
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from ..model.paths import BESIDE, is_within
from ..model.run import Run
from ..util import files, user_shell
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import text_links
from . import tool_environments

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
    `texts` are links that are text files, with their absolute targets; a folder with such a file in it
    is in `inner` and not in `folders`. The names in `inner` have their path from the code root.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[str, Entries] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders that can be mounted as they are, with their paths from the code root."""
        inner = (f"{at}/{name}" for at, found in self.inner.items() for name in found.folders)
        return (*self.folders, *inner)


def entries_of(
    code: str, *, environments: Iterable[str] = (), texts: Mapping[str, str] | None = None
) -> Entries:
    """Read the code root. `environments` are names that are left out.

    `texts` are paths from the code root of links that are text files, with their absolute targets.
    """
    texts = texts or {}
    left_out = {OUTPUTS, _INTERPRETER, *environments}
    top = _entries_in(code, {name for name in texts if "/" not in name} | left_out)
    inner = {}
    for at in sorted({parent for name in texts for parent in _parents(name)}):
        folder = os.path.join(code, *at.split("/"))
        if at.partition("/")[0] not in left_out and os.path.isdir(folder):
            found = _entries_in(folder, {n[len(at) + 1 :] for n in texts if n.startswith(f"{at}/")})
            inner[at] = _without(found, at, texts)
    kept = {
        name: target for name, target in texts.items() if name.partition("/")[0] not in left_out
    }
    return replace(_without(top, "", texts), texts=kept, inner=inner)


def _parents(path: str) -> Iterable[str]:
    """The folders above a path, but for the code root."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _without(entries: Entries, at: str, texts: Mapping[str, str]) -> Entries:
    """The entries of a folder without the folders that have a text link in them."""
    prefix = f"{at}/" if at else ""
    own = [
        name
        for name in entries.folders
        if not any(text.startswith(f"{prefix}{name}/") for text in texts)
    ]
    return replace(entries, folders=tuple(own))


def _entries_in(folder: str, left_out: Collection[str]) -> Entries:
    plain, folders, links = [], [], {}
    with suppress(OSError), os.scandir(folder) as found:
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


def texts_of(run: Run) -> dict[str, str]:
    """The links of the code that are text files: paths from the code root, and absolute targets."""
    if not run.has_code_folder or run.code is None:
        return {}
    root = Path(run.workspace.root)
    try:
        own = os.path.relpath(run.code, root).replace(os.sep, "/")
    except ValueError:  # another drive, on Windows
        return {}
    found = text_links.targets(root, own)
    prefix = "" if own == "." else f"{own}/"
    return {
        path.removeprefix(prefix): os.path.join(root, *target.split("/"))
        for path, target in found.items()
    }


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
    entries = entries_of(code, environments=environments, texts=texts_of(run))
    has_any = entries.files or entries.folders or entries.links or entries.texts
    if not has_any or len(entries.files) > MOST_ENTRIES:
        return None
    try:
        if os.stat(code).st_dev != os.stat(_existing(Path(root, run.work))).st_dev:
            return None
        foreign = {name for name in entries.files if not _can_link(os.path.join(code, name))}
    except OSError:
        return None
    parts = (*entries.parts, *entries.texts, *foreign)
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

    def inner(self, name: str) -> View | None:
        """A folder of the view that stands for one of the code; None for one that does not."""
        if self.code is None or name in (OUTPUTS, _BYTECODE):
            return None
        code = os.path.join(self.code, name)
        if os.path.islink(code) or not os.path.isdir(code):
            return None
        if tool_environments.is_environment(self.folder / name):
            return None  # the program has made it; the code's own is no part of the view
        prefix = f"{name}/"
        linked = {
            path.removeprefix(prefix): number
            for path, number in self.linked.items()
            if path.startswith(prefix)
        }
        points = tuple(p.removeprefix(prefix) for p in self.points if p.startswith(prefix))
        return View(self.folder / name, code, linked, points)


def make_links(
    code: str | None,
    folder: Path,
    outputs: Path,
    environments: Mapping[str, str],
    left_out: Iterable[str] = (),
    texts: Mapping[str, str] | None = None,
) -> View:
    """The view for a program of this machine. `environments` maps names to where they lead.

    In place of `texts`, which are text files, it has links to their targets.
    """
    files.make_folder(folder)
    links = {OUTPUTS: str(outputs), **environments}
    if code is not None and os.path.isfile(code):
        links[os.path.basename(code)] = code
    elif code is not None:
        absolute = os.path.abspath(code)
        found = entries_of(code, environments=(*environments, *left_out, _BYTECODE), texts=texts)
        for name in (*found.files, *found.folders, *found.links):
            links.setdefault(name, os.path.join(absolute, name))
        for at, inner in found.inner.items():
            place = files.make_folder(folder.joinpath(*at.split("/")))
            source = os.path.join(absolute, *at.split("/"))
            names = (*inner.files, *inner.folders, *inner.links)
            own = {name: os.path.join(source, name) for name in names if name != _BYTECODE}
            files.make_links(own, place)
        for path, target in found.texts.items():
            place = folder.joinpath(*path.split("/"))
            files.make_links({place.name: target}, place.parent)
    files.make_links(links, folder)
    copied = [name for name in texts or {} if not os.path.islink(folder / name)]
    return View(folder, code, _inodes(folder, copied))


def _inodes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """The inode of each file that has a second name in a view."""
    found = {}
    for name in names:
        with suppress(OSError):
            found[name] = os.lstat(folder / name).st_ino
    return found


def make_for_container(code: str, folder: Path, entries: Entries, points: Iterable[str]) -> View:
    """The view for a container. `points` are further names on which a folder is mounted."""
    files.make_folder(folder)
    for name in {OUTPUTS, *entries.folders, *entries.inner, *points}:
        files.make_folder(folder / name)
    for name in entries.foreign:
        files.write_text(folder / name, "")
    for at, inner in [("", entries), *entries.inner.items()]:
        files.keep_all(inner.files, Path(code, at), folder / at)
        files.make_links(inner.links, folder / at)
    for path, target in entries.texts.items():
        if os.path.isdir(target):
            files.make_folder(folder / path)
        else:
            files.write_text(folder / path, "")
    for path in entries.parts:
        files.make_folder(folder / path)
    every = [
        *entries.files,
        *(f"{at}/{name}" for at, e in entries.inner.items() for name in e.files),
    ]
    return View(folder, code, _inodes(folder, every), (*entries.foreign, *entries.texts))


def close(view: View, outputs: Path, since: float) -> None:
    """Remove the view. What the program wrote into it moves to `beside-outputs` in `outputs`.

    `since` is the time before the program's start, in seconds since the epoch.
    """
    if view.folder.is_symlink() or not view.folder.is_dir():
        return
    errors = list(_close(view, outputs / BESIDE, since))
    files.remove_if_empty(view.folder.parent)
    if errors:
        raise errors[0]


def _close(view: View, beside: Path, since: float) -> Iterator[UserError]:
    """Remove a folder of the view; an error for each thing in it that cannot be moved."""
    gone: list[str] = []
    kept: list[Path] = []
    for entry in list(os.scandir(view.folder)):
        if _is_ours(view, entry, since):
            gone.append(entry.name)
        elif entry.is_dir(follow_symlinks=False) and (inner := view.inner(entry.name)) is not None:
            yield from _close(inner, beside / entry.name, since)
        elif entry.is_dir(follow_symlinks=False):
            kept += kept_folder(Path(entry.path))
        else:
            kept.append(Path(entry.path))
    files.remove_all(gone, view.folder)
    yield from (error for path in kept if (error := _moved(path, beside)) is not None)
    files.remove_if_empty(view.folder)


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
    if files.is_link(entry.path):
        return True  # a junction of Windows
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
