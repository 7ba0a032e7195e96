"""Names in open folders: how `files` changes a workspace without being led out of it by a link.

A workspace may be a stranger's, and its links may lead anywhere. A path below a folder that was
registered with `confine` is therefore walked from a descriptor of that folder, one name at a time,
without following links. Links are read and resolved here: one that stays inside is followed, one
that leads out is a UserError. The result is a `Place`: a name in a folder that is open, so that
whatever is swapped for a link afterwards, the change happens in the folder that was checked.

Links may also lead into the folders of INNERLOOP_TRUSTED_FOLDERS (full paths, separated as on
PATH), which only the person sets.

Weaker on systems without such calls (Windows): links and junctions are resolved right before the
change, and the change is made at the resolved path. A program that swaps a folder for a link
between the two is not noticed there.

Paths outside of every registered folder are the person's own words (`--to FOLDER`) or in their
cache: links in them are followed as usual.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path

from .errors import UserError
from .quick_dataclasses import dataclass

TRUSTED = "INNERLOOP_TRUSTED_FOLDERS"
MOST_LINKS = 40  # as Linux

_CALLS = (os.open, os.mkdir, os.rmdir, os.unlink, os.rename, os.stat, os.readlink, os.symlink)
# Whether this system opens names relative to an open folder.
RELATIVE = set(_CALLS) <= os.supports_dir_fd and os.scandir in os.supports_fd
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# On Linux, a folder that may be entered but not listed can be opened too.
_ENTER = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

ModeOf = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A folder that writes below it must not leave: as it was named, and without links."""

    path: str
    real: str


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a folder.

    `folder` is the folder's descriptor, None where the system has no calls relative to one: then
    `name` is a full path. `path` is for messages.
    """

    folder: int | None
    name: str
    path: str
    # The folder's path on systems without descriptors.
    parent: str = field(default="")

    def sibling(self, name: str) -> Place:
        """Another name in the same folder."""
        full = name if self.folder is not None else os.path.join(self.parent, name)
        shown = os.path.join(os.path.dirname(self.path), name)
        return Place(self.folder, full, shown, self.parent)

    def status(self) -> os.stat_result | None:
        """What has the name, a link itself included; None if nothing has."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def device(self) -> int:
        """The device that the folder is on."""
        if self.folder is not None:
            return os.stat(self.folder).st_dev
        return os.stat(self.parent).st_dev

    def open(self, flags: int, mode: int = 0o666) -> int:
        """A descriptor of the file; OSError if the name is a link."""
        return os.open(self.name, flags | _NO_LINK | _PLAIN, mode, dir_fd=self.folder)

    def is_writable(self) -> bool:
        return os.access(self.name, os.W_OK, dir_fd=self.folder)

    def unlink(self) -> None:
        os.unlink(self.name, dir_fd=self.folder)

    def rmdir(self) -> None:
        os.rmdir(self.name, dir_fd=self.folder)

    def mkdir(self, mode: int = 0o777) -> None:
        os.mkdir(self.name, mode, dir_fd=self.folder)

    def readlink(self) -> str:
        return os.readlink(self.name, dir_fd=self.folder)

    def symlink(self, text: str, is_folder: bool = False) -> None:
        os.symlink(text, self.name, target_is_directory=is_folder, dir_fd=self.folder)

    def rename(self, target: Place) -> None:
        """Take the target's name, as os.rename. A link with that name is replaced."""
        os.rename(self.name, target.name, src_dir_fd=self.folder, dst_dir_fd=target.folder)

    def replace(self, target: Place) -> None:
        """`rename`; an existing file is replaced on Windows too."""
        os.replace(self.name, target.name, src_dir_fd=self.folder, dst_dir_fd=target.folder)

    def link(self, target: Place) -> None:
        """Give the file, or the link itself, a second name on the same disk."""
        os.link(
            self.name,
            target.name,
            src_dir_fd=self.folder,
            dst_dir_fd=target.folder,
            follow_symlinks=False,
        )

    @contextmanager
    def entered(self) -> Iterator[Folder]:
        """The folder that has the name, open. OSError if it is a link or no folder."""
        if self.folder is None:
            if not stat.S_ISDIR(os.lstat(self.name).st_mode) or is_link(self.name):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            yield Folder(None, self.name, self.path)
            return
        number = os.open(self.name, os.O_RDONLY | _FOLDER | _NO_LINK, dir_fd=self.folder)
        try:
            yield Folder(number, "", self.path)
        finally:
            os.close(number)


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder."""

    number: int | None
    parent: str
    path: str

    def names(self) -> list[str]:
        return os.listdir(self.number if self.number is not None else self.parent)

    def place(self, name: str) -> Place:
        full = name if self.number is not None else os.path.join(self.parent, name)
        return Place(self.number, full, os.path.join(self.path, name), self.parent)


_anchors: list[_Anchor] = []


def confine(folder: Path) -> None:
    """Let no link lead a change below this folder out of it, until this program ends."""
    anchor = _anchor(str(folder))
    if anchor not in _anchors:
        _anchors.append(anchor)


def release(folder: Path) -> None:
    """Undo `confine`."""
    with suppress(ValueError):
        _anchors.remove(_anchor(str(folder)))


@contextmanager
def confining(folder: Path) -> Iterator[None]:
    """`confine` within, unless the folder is registered already."""
    anchor = _anchor(str(folder))
    is_new = anchor not in _anchors
    confine(folder)
    try:
        yield
    finally:
        if is_new:
            release(folder)


def _anchor(folder: str) -> _Anchor:
    path = os.path.abspath(folder)
    return _Anchor(path, os.path.realpath(path))


@contextmanager
def place(
    path: str | os.PathLike[str],
    *,
    follow: bool = False,
    make: bool = False,
    mode_of: ModeOf = lambda _: 0o777,
    plain: bool = False,
) -> Iterator[Place]:
    """The place of a path, whose folder stays open within.

    `follow`: if the last name is a link, the place that it leads to. `make`: missing folders on the
    way are made, with the modes that `mode_of` gives for their paths; private ones (0o700) that
    exist are closed to others. `plain`: no link on the way, unless it leads into a trusted folder.
    OSError as usual; UserError for a link that leads out.
    """
    absolute = _absolute(path)
    located = _locate(absolute)
    if not RELATIVE:
        yield _checked(absolute, located, follow, make, mode_of, plain)
        return
    if located is None:
        parent, name = os.path.split(absolute.rstrip(os.sep))
        if follow and os.path.islink(absolute):
            parent, name = os.path.split(os.path.realpath(absolute))
        if make:
            _make_folders(parent, mode_of)
        number = os.open(parent, _ENTER)
        try:
            yield Place(number, name, absolute)
        finally:
            os.close(number)
        return
    walk = _Walk(located[0], absolute, plain)
    try:
        yield walk.to(located[1], follow, make, mode_of)
    finally:
        walk.close()


def _absolute(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    return name if os.path.isabs(name) else os.path.join(os.getcwd(), name)


def names_from_root(path: str | os.PathLike[str]) -> list[str] | None:
    """The names from the registered folder that a path is below; None if there is none."""
    located = _locate(_absolute(path))
    return None if located is None else located[1]


def is_trusted(path: str | os.PathLike[str]) -> bool:
    """Whether the path, without links, is below a folder of INNERLOOP_TRUSTED_FOLDERS, or is one."""
    real = os.path.realpath(path)
    return any(_names_below(anchor.real, real) is not None for anchor in _trusted())


def _locate(absolute: str) -> tuple[_Anchor, list[str]] | None:
    """The registered folder that a path is below, and the names from there; None if there is none.

    `..` in the names is kept: it counts after the links before it.
    """
    for anchor in sorted(_anchors, key=lambda one: -len(one.path)):
        for folder in (anchor.path, anchor.real):
            if (names := _names_below(folder, absolute)) is not None:
                return (anchor, names) if names else None
    return _alias(absolute)


def _alias(absolute: str) -> tuple[_Anchor, list[str]] | None:
    """As `_locate`, for a path that reaches the folder by another name, through a link say."""
    if not _anchors:
        return None
    known: dict[tuple[int, int], _Anchor] = {}
    for anchor in _anchors:
        with suppress(OSError):
            known[_identity(os.stat(anchor.real))] = anchor
    head, names = absolute, list[str]()
    while True:
        head, name = os.path.split(head.rstrip(os.sep))
        if not name:
            return None
        names.insert(0, name)
        try:
            above = known.get(_identity(os.stat(head)))
        except OSError:
            continue
        if above is not None:
            return above, names


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _names_below(folder: str, path: str) -> list[str] | None:
    """The names from a folder to a path below it, both absolute; None if it is not below it."""
    head = os.path.normcase(folder).rstrip(os.sep)
    if os.path.normcase(path[: len(head)]) != head:
        return None
    if path[len(head) : len(head) + 1] not in ("", os.sep, os.altsep or os.sep):
        return None
    return _split(path[len(head) :])


def _split(path: str) -> list[str]:
    if os.altsep:
        path = path.replace(os.altsep, os.sep)
    return [name for name in path.split(os.sep) if name not in ("", ".")]


def _trusted() -> list[_Anchor]:
    words = os.environ.get(TRUSTED, "").split(os.pathsep)
    return [_anchor(word) for word in words if os.path.isabs(word)]


def _on_the_way(link: str, target: str) -> UserError:
    return UserError(
        f"this link, to {target}, is on the way to a generated file, which is not written through it",
        code="generated-through-link",
        where=link,
        hint=f"Replace it by a file or folder; or, if it is yours, set {TRUSTED} to what it leads to",
    )


def _leads_out(link: str, target: str) -> UserError:
    if not is_link(link):
        return UserError(
            f"this path leads out of the workspace, to {target}, so nothing is changed there",
            code="link-leads-out",
            where=link,
            hint="Name a path inside of it",
        )
    return UserError(
        f"this link leads out of the workspace, to {target}, so nothing is changed through it",
        code="link-leads-out",
        where=link,
        hint=f"Remove the link; or, if it is yours, set {TRUSTED}={target}",
    )


class _Walk:
    """From an anchor down to a name, with the descriptors of the folders on the way."""

    def __init__(self, anchor: _Anchor, shown: str, plain: bool) -> None:
        self.shown = shown
        self.plain = plain
        self.links = 0
        self.anchor = anchor
        self.link = anchor.path  # the last link that was followed
        self.target = ""  # and what it leads to
        self.numbers = [os.open(anchor.real, _ENTER)]
        self.names: list[str] = []

    def close(self) -> None:
        while self.numbers:
            os.close(self.numbers.pop())

    def to(self, names: Sequence[str], follow: bool, make: bool, mode_of: ModeOf) -> Place:
        todo = list(reversed(names))
        while todo:
            name = todo.pop()
            if name == "..":
                self._up(todo)
            elif todo:
                self._down(name, todo, make, mode_of)
            elif not (follow and self._is_link(name)):
                self._require_plain()
                return Place(self.numbers[-1], name, self.shown)
            else:
                self._follow(name, todo)
        self._require_plain()
        # A link to a folder on the way (`.`): the folder is named from itself.
        return Place(self.numbers[-1], ".", self.shown)

    def _path(self, *names: str) -> str:
        return os.path.join(self.anchor.path, *self.names, *names)

    def _down(self, name: str, todo: list[str], make: bool, mode_of: ModeOf) -> None:
        top = self.numbers[-1]
        mode = mode_of(self._path(name)) if make else 0
        for attempt in range(2):
            try:
                number = os.open(name, _ENTER | _NO_LINK, dir_fd=top)
                break
            except FileNotFoundError:
                if not make or attempt:
                    raise
                self._require_plain()
                with suppress(FileExistsError):
                    os.mkdir(name, mode, dir_fd=top)
            except OSError as error:  # a link: ENOTDIR on Linux, ELOOP or EMLINK elsewhere
                if not self._is_link(name):
                    raise error
                self._follow(name, todo)
                return
        self.numbers.append(number)
        self.names.append(name)
        if mode == 0o700:
            close_to_others(number)

    def _require_plain(self) -> None:
        here = os.path.join(self.anchor.real, *self.names)
        if self.plain and self.links and not is_trusted(here):
            raise _on_the_way(self.link, self.target)

    def _up(self, todo: list[str]) -> None:
        if self.names:
            os.close(self.numbers.pop())
            self.names.pop()
        else:
            parent = os.path.dirname(self.anchor.real)
            self._jump(os.path.join(parent, *reversed(todo)), todo)

    def _is_link(self, name: str) -> bool:
        try:
            status = os.stat(name, dir_fd=self.numbers[-1], follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISLNK(status.st_mode)

    def _follow(self, name: str, todo: list[str]) -> None:
        text = os.readlink(name, dir_fd=self.numbers[-1])
        self.links += 1
        if self.links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        self.link = self._path(name)
        self.target = os.path.normpath(os.path.join(os.path.dirname(self.link), text))
        if os.path.isabs(text):
            self._jump(os.path.join(text, *reversed(todo)), todo)
        else:
            todo.extend(reversed(_split(text)))

    def _jump(self, path: str, todo: list[str]) -> None:
        """Go on from the anchor that an absolute path is below; UserError if there is none."""
        anchors = [self.anchor, *_anchors, *_trusted()]
        head, tail = os.path.split(path.rstrip(os.sep))
        # Only the folder is resolved: the last name may be a link that is to be changed itself.
        resolved = (
            os.path.realpath(path) if tail == ".." else os.path.join(os.path.realpath(head), tail)
        )
        for candidate in (path, resolved):
            for anchor in anchors:
                for folder in (anchor.path, anchor.real):
                    names = _names_below(folder, candidate)
                    if names is not None and ".." not in names:
                        self._start_at(anchor, names, todo)
                        return
        raise _leads_out(self.link, self.target or os.path.normpath(path))

    def _start_at(self, anchor: _Anchor, names: list[str], todo: list[str]) -> None:
        self.close()
        self.anchor, self.names = anchor, []
        self.numbers.append(os.open(anchor.real, _ENTER))
        todo[:] = reversed(names)


def close_to_others(number: int) -> None:
    """Give an open folder of this user the mode 0700, if others have rights to it."""
    if sys.platform == "win32":
        return
    status = os.stat(number)
    if not status.st_mode & 0o077 or status.st_uid != os.geteuid():
        return
    with suppress(OSError):
        again = os.open(".", os.O_RDONLY | _FOLDER, dir_fd=number)
        try:
            os.fchmod(again, 0o700)
        finally:
            os.close(again)


def _make_folders(folder: str, mode_of: ModeOf) -> None:
    """As os.makedirs, with a mode for each. For paths that nothing confines."""
    if os.path.isdir(folder):
        return
    head, tail = os.path.split(folder.rstrip(os.sep))
    if tail and head:
        _make_folders(head, mode_of)
    with suppress(FileExistsError):
        os.mkdir(folder, mode_of(folder))
    if not os.path.isdir(folder):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def is_link(path: str) -> bool:
    """A link or, on Windows, a junction."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    reparse = getattr(status, "st_file_attributes", 0) & 0x400  # FILE_ATTRIBUTE_REPARSE_POINT
    junction = reparse and getattr(status, "st_reparse_tag", 0) == 0xA0000003  # MOUNT_POINT
    return stat.S_ISLNK(status.st_mode) or bool(junction)


def _checked(
    absolute: str,
    located: tuple[_Anchor, list[str]] | None,
    follow: bool,
    make: bool,
    mode_of: ModeOf,
    plain: bool,
) -> Place:
    """The place on a system without relative calls, at the path without links."""
    parent, name = os.path.split(absolute.rstrip(os.sep))
    real = os.path.realpath(parent)
    if located is not None:
        _require_inside(located[0], absolute, real)
    if follow and is_link(os.path.join(real, name)):
        real, name = os.path.split(os.path.realpath(os.path.join(real, name)))
        if located is not None:
            _require_inside(located[0], absolute, os.path.join(real, name))
    if plain and located is not None:
        expected = os.path.join(located[0].real, *located[1])
        is_plain = os.path.normcase(os.path.join(real, name)) == os.path.normcase(expected)
        if not is_plain and not is_trusted(real):
            raise _on_the_way(_first_link(located[0], absolute), real)
    if make:
        _make_folders(real, mode_of)
    return Place(None, os.path.join(real, name), absolute, real)


def _require_inside(anchor: _Anchor, path: str, real: str) -> None:
    anchors = [anchor, *_anchors, *_trusted()]
    if any(_names_below(one.real, real) is not None for one in anchors):
        return
    link = _first_link(anchor, path)
    raise _leads_out(link, os.path.realpath(link))


def _first_link(anchor: _Anchor, path: str) -> str:
    link = anchor.path
    for name in _names_below(anchor.path, path) or _names_below(anchor.real, path) or []:
        link = os.path.join(link, name)
        if is_link(link):
            break
    return link
