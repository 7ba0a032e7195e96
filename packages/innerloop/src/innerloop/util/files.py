"""Reads and writes files. Nothing else in the tool changes the disk.

Every write is atomic: the text goes to a temporary file next to its target, which it then
replaces. After a crash or with a full disk, a reader finds the old text or the new one.

No link leads a change out of a workspace: see `confined`. A link to another file inside is
written through; what is removed or renamed is the link itself.

What the tool keeps for itself (`.innerloop`, a run's record `.run`, its cache) is readable by
this user only: folders have the mode 0700, files 0600. See `is_private`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

from . import console, regular_files
from .cache_folder import cache_folder
from .confined import (
    Folder,
    Place,
    close_to_others,
    confine,
    confining,
    is_link,
    is_trusted,
    names_from_root,
    place,
    release,
)
from .errors import UserError
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

__all__ = ["confine", "confining", "is_link", "is_trusted", "release"]

# Parts of `.innerloop` that belong to the workspace, or that a container's user reads.
_SHARED = {"state.json", "wheels", "scripts"}
# Parts whose folder is private, and whose content keeps its usual modes: it moves out later.
_PASSING = {"changing", "scratch"}


def is_private(path: str | os.PathLike[str]) -> bool:
    """Whether no other user of this machine may read the file or enter the folder.

    A private folder protects what is below it, so the content of some keeps its usual mode.
    """
    below_root = names_from_root(path)
    parts = Path(path).parts if below_root is None else tuple(below_root)
    if ".run" in parts:
        return True
    if ".innerloop" in parts:
        below = parts[len(parts) - parts[::-1].index(".innerloop") :]
        if not below or below[0] in _SHARED:
            return False
        return len(below) == 1 or below[0] not in _PASSING
    try:
        cache = cache_folder().parts
    except RuntimeError:  # this user has no home folder
        return False
    return parts[: len(cache)] == cache


def read_text(path: Path) -> str | None:
    """The text with its line endings, or None if there is no such file.

    UserError if the file cannot be read, is not a regular file, is very large or is not UTF-8.
    """
    try:
        return _decoded(regular_files.read_bytes(path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot("read", path, error) from error


def read_own(path: Path, *, plain: bool = False) -> str | None:
    """`read_text` of a file that is to be written: UserError for a link that leads out.

    `plain`: for any link on the way that does not lead into a trusted folder.
    """
    try:
        with place(path, follow=True, plain=plain) as found:
            # Opening a named pipe must not wait for a writer.
            number = found.open(os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            return _decoded(regular_files.read_open(number, path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot("read", path, error) from error


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"the file is not UTF-8 (byte {error.start})",
            code="not-utf8",
            where=str(path),
            hint="Save it as UTF-8",
        ) from error


def write_text(path: Path, text: str, *, readable: bool = False) -> None:
    """Write the text atomically.

    Keeps the mode of an existing file, writes the target of a link, and makes missing folders.
    `readable`: also by a container's user, though it is in a private folder. UserError if that
    fails; the old file is unchanged then.
    """
    _write(path, _Content([text.encode("utf-8")], is_private(path) and not readable))


def overwrite(path: Path, text: str) -> bool:
    """Write into an existing file without a new one, where `write_text` finds no room for that.

    Not atomic. False if that fails as well, or if it is a link; the old text is there then.
    """
    new = text.encode("utf-8")
    try:
        with (
            place(path) as found,
            os.fdopen(found.open(os.O_RDWR), "r+b", buffering=0) as file,
        ):
            old = file.read()
            try:
                file.seek(0)
                if file.write(new) != len(new):
                    raise OSError(errno.ENOSPC, "no room")
                file.truncate()
            except OSError:
                file.seek(0)
                file.write(old)
                file.truncate()
                return False
    except (OSError, UserError):
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """`write_text` for a secret: no other user of this machine can read it at any moment.

    Bytes that are not UTF-8 are written as they were read (`surrogateescape`).
    """
    _write(path, _Content([text.encode("utf-8", "surrogateescape")], private=True))


def write_stream(path: Path, chunks: Iterable[bytes], *, executable: bool = False) -> None:
    """`write_text` for bytes that come in chunks.

    The file exists only after the last chunk; an exception while reading them leaves nothing
    behind. `executable`: by everybody who can read it.
    """
    _write(path, _Content(chunks, is_private(path), executable=executable, synced=False))


def stage(path: Path, text: str, folder: Path | None = None, *, plain: bool = False) -> Path:
    """First half of a write: a temporary file with the text and the mode of `path`.

    It is in `folder`, whose owner removes leftovers, if that is on the same disk; else next to
    `path`. `plain` as for `read_own`.
    """
    chunks = [text.encode("utf-8")]
    try:
        with _made(path, plain=plain) as target:
            content = _Content(chunks, is_private(path))
            if folder is not None:
                with place(folder / "_") as beside:
                    if beside.device() == target.device():
                        return folder / _temporary(target, beside, content).name
            name = os.path.basename(_temporary(target, target, content).name)
            return _folder_of(target, path) / name
    except OSError as error:
        raise cannot("write", path, error) from error


def put(staged: Path, path: Path, *, plain: bool = False) -> None:
    """Second half of a write: the staged file replaces the target in one step."""
    try:
        with place(staged) as temporary, place(path, follow=True, plain=plain) as target:
            _replace(temporary, target)
    except OSError as error:
        raise cannot("write", path, error) from error
    finally:
        with suppress(OSError, UserError), place(staged) as temporary:
            temporary.unlink()


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file is to contain, and its mode.

    `private`: 0600. `mode`: exactly this one. Else it keeps the mode of the file that it replaces;
    a new one gets the usual mode. `synced`: it is on the disk before it replaces anything.
    """

    chunks: Iterable[bytes]
    private: bool = False
    mode: int | None = None
    executable: bool = False
    synced: bool = True


def _write(path: Path, content: _Content) -> None:
    try:
        with _made(path) as target:
            temporary = _temporary(target, target, content)
            try:
                _replace(temporary, target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        raise cannot("write", path, error) from error


@contextmanager
def _made(path: Path, *, follow: bool = True, plain: bool = False) -> Iterator[Place]:
    """The place of a path, in a folder that is made if it does not exist."""
    with place(path, follow=follow, make=True, mode_of=_mode_of, plain=plain) as found:
        _close_cache(path)
        yield found


def _temporary(target: Place, beside: Place, content: _Content) -> Place:
    """Make a file under a new name next to `beside`, with the content and the mode for `target`."""
    before = target.status()
    if before is not None and not target.is_writable():
        raise PermissionError(errno.EACCES, "the file is read-only")
    mode = content.mode
    is_kept = before is not None and stat.S_ISREG(before.st_mode)
    if before is not None and is_kept and not (mode or content.private or content.executable):
        mode = before.st_mode & 0o7777
    usual = 0o777 if content.executable else 0o666  # less the umask
    new = beside.sibling(f".{os.path.basename(target.name)[:40]}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    number = new.open(flags, 0o600 if content.private or mode is not None else usual)
    try:
        with os.fdopen(number, "wb") as file:
            for chunk in content.chunks:
                file.write(chunk)
            file.flush()
            if content.synced:
                _to_disk(file.fileno())
            if mode is not None:
                _set_mode(file.fileno(), new, mode)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    return new


def _folder_of(target: Place, path: Path) -> Path:
    """The folder of a path's target. Where the path is a link, that is another one than its own."""
    if path.name == os.path.basename(target.name) and not path.is_symlink():
        return path.parent
    return Path(os.path.realpath(path)).parent


def _set_mode(number: int, new: Place, mode: int) -> None:
    if sys.platform == "win32":
        os.chmod(new.name, mode)
    else:
        os.fchmod(number, mode)


@contextmanager
def temporary_folder(prefix: str, parent: str | None = None) -> Iterator[Path]:
    """A new folder outside of the workspace that only this user can enter, removed at the end."""
    import tempfile  # here, since most commands need none and should start quickly

    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)


def remove(path: Path, *, plain: bool = False) -> None:
    """Remove a file or a link, if it exists. `plain` as for `read_own`, except for the link itself."""
    try:
        with place(path, plain=plain) as found:
            _retried(found.unlink)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot("remove", path, error) from error


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError, UserError), place(folder) as found:
        found.rmdir()


def remove_tree(folder: Path) -> None:
    """Remove a folder with its contents. Links are removed, never followed.

    What cannot be removed stays.
    """
    with suppress(OSError), place(folder) as found:
        status = found.status()
        if status is not None and stat.S_ISLNK(status.st_mode):
            found.unlink()
        elif status is not None and stat.S_ISDIR(status.st_mode):
            _remove_folder(found)


def _remove_folder(top: Place) -> None:
    """Remove a folder by descriptors, without recursion, since its depth is another's choice."""
    opened: list[tuple[Place, AbstractContextManager[Folder], Folder, list[str]]] = []

    def enter(found: Place) -> None:
        manager = found.entered()
        folder = manager.__enter__()
        opened.append((found, manager, folder, folder.names()))

    try:
        enter(top)
        while opened:
            found, manager, folder, names = opened[-1]
            if not names:
                opened.pop()
                manager.__exit__(None, None, None)
                with suppress(OSError):
                    found.rmdir()
                continue
            entry = folder.place(names.pop())
            with suppress(OSError):
                status = entry.status()
                if status is not None and stat.S_ISDIR(status.st_mode):
                    enter(entry)
                else:
                    _unlink(entry)
    finally:
        for _, manager, _, _ in reversed(opened):
            manager.__exit__(None, None, None)


def _unlink(entry: Place) -> None:
    """Remove a file; on Windows also a read-only one, as git's objects are."""
    try:
        entry.unlink()
    except PermissionError:
        if sys.platform != "win32":
            raise
        os.chmod(entry.name, stat.S_IWRITE)
        entry.unlink()


_ASIDE = late_pattern(r"\..+\.removed-[0-9a-f]{16}\Z")


def remove_whole(folder: Path) -> None:
    """Remove a folder in one step: it gets a hidden name beside it, which is then removed.

    A kill in between leaves that one: see `is_aside`.
    """
    aside = folder.with_name(f".{folder.name}.removed-{os.urandom(8).hex()}")
    rename(folder, aside)
    remove_tree(aside)


def is_aside(folder: Path) -> bool:
    """Whether a folder has a name of `remove_whole`: it is being removed, or that was interrupted."""
    return _ASIDE.match(folder.name) is not None


def is_removable(folder: Path) -> bool:
    """Whether this user may change every folder below, so that nothing of it would stay."""
    below = [parent for parent, folders, names in os.walk(folder) if folders or names]
    parents = [str(folder.parent), str(folder), *below]
    return all(os.access(parent, os.W_OK | os.X_OK) for parent in parents)


def remove_links(folder: Path) -> None:
    """Remove every link below a folder that a program is about to write into, but not the folder.

    A report's files have known names, and a link with such a name would lead the program elsewhere.
    """
    with suppress(FileNotFoundError), _walking(folder) as found, found.entered() as top:
        todo = [top.place(name) for name in top.names()]
        while todo:
            entry = todo.pop()
            status = entry.status()
            if status is not None and stat.S_ISLNK(status.st_mode):
                entry.unlink()
            elif status is not None and stat.S_ISDIR(status.st_mode):
                remove_links(Path(entry.path))


@contextmanager
def _walking(folder: Path) -> Iterator[Place]:
    try:
        with place(folder, follow=True) as found:
            yield found
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise cannot("read", folder, error) from error


def require_inside(path: Path) -> None:
    """UserError if a link leads the path out of the workspace, for a program that writes there."""
    with suppress(OSError), place(path, follow=True):
        pass


def size_of(folder: Path) -> int:
    """The size of the files below a folder in bytes. Links count as 0."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = os.lstat(os.path.join(parent, name))
                total += 0 if stat.S_ISLNK(status.st_mode) else status.st_size
    return total


def move_into(path: Path, folder: Path) -> None:
    """Move a file or folder into `folder`, which is made if it does not exist.

    To another disk it is copied, links as links, and then removed.
    """
    try:
        with place(path) as source, _made(folder / path.name, follow=False) as new:
            try:
                _retried(lambda: source.rename(new))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_tree(source, new)
                _remove_any(source)
    except OSError as error:
        raise cannot("move", path, error) from error


def _remove_any(found: Place) -> None:
    status = found.status()
    if status is not None and stat.S_ISDIR(status.st_mode):
        _remove_folder(found)
    else:
        found.unlink()


def _copy_tree(source: Place, target: Place) -> None:
    """Copy a file, a link, or a folder with its contents. Sockets and the like are left out."""
    status = source.status()
    if status is None:
        return
    if stat.S_ISLNK(status.st_mode):
        target.symlink(source.readlink())
    elif stat.S_ISDIR(status.st_mode):
        target.mkdir(0o700)
        with source.entered() as folder, target.entered() as new:
            for name in folder.names():
                _copy_tree(folder.place(name), new.place(name))
            if new.number is not None:
                _set_mode(new.number, target, status.st_mode & 0o7777)
    elif stat.S_ISREG(status.st_mode):
        with os.fdopen(source.open(os.O_RDONLY), "rb") as file:
            _copy_file(file, target, status.st_mode & 0o7777)


def _copy_file(file: IO[bytes], target: Place, mode: int) -> None:
    number = target.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as new:
        while chunk := file.read(1 << 20):
            new.write(chunk)
        new.flush()
        _to_disk(new.fileno())
        _set_mode(new.fileno(), target, mode)


def rename(path: Path, target: Path) -> None:
    """Rename a file, a link or a folder on the same disk, in one step."""
    try:
        with place(path) as source, place(target) as new:
            _retried(lambda: source.rename(new))
    except OSError as error:
        raise cannot("make", target, error) from error


def copy(path: Path, target: Path, change: Callable[[str], str] | None = None) -> None:
    """Copy a file and its mode. `change` is applied to its text if it is UTF-8."""
    try:
        with path.open("rb") as file:
            chunks: Iterable[bytes] = iter(lambda: file.read(1 << 20), b"")
            if change is not None:
                content = file.read()
                with suppress(UnicodeDecodeError):
                    content = change(content.decode("utf-8")).encode("utf-8")
                chunks = [content]
            mode = os.stat(file.fileno()).st_mode & 0o7777
            _write(target, _Content(chunks, mode=mode, synced=False))
    except OSError as error:
        raise cannot("read", path, error) from error


def copy_whole(path: Path, target: Path) -> None:
    """Copy a file, a link or a folder to a path that does not exist, with modes, onto the disk.

    Links are copied as links. When this returns, a power cut no longer loses the copy.
    """
    try:
        with place(path) as source, place(target) as new:
            _copy_tree(source, new)
    except OSError as error:
        raise cannot("copy", path, error) from error


def keep(path: Path, target: Path) -> None:
    """Give a file or a link a second name on the same disk, or copy it where that is impossible.

    `target` does not exist. The file may then be replaced under its first name.
    """
    try:
        with place(path) as source, place(target) as new:
            try:
                source.link(new)
            except (OSError, NotImplementedError) as error:
                number = getattr(error, "errno", None)
                if number in (errno.ENOSPC, errno.EROFS, errno.ENOENT):
                    raise
                _copy_tree(source, new)
    except OSError as error:
        raise cannot("write", target, error) from error


def keep_all(names: Iterable[str], source: Path, target: Path) -> None:
    """`keep` for files of one folder, under the same names in another one, in microseconds each.

    A file that has gone meanwhile is left out.
    """
    try:
        with place(source / "_", follow=True) as old, place(target / "_") as new:
            for name in names:
                _keep_one(old.sibling(name), new.sibling(name))
    except OSError as error:
        raise cannot("write", target, error) from error


def _keep_one(old: Place, new: Place) -> None:
    try:
        old.link(new)
    except FileNotFoundError:
        return
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EROFS):
            raise
        _copy_tree(old, new)


def remove_all(names: Iterable[str], folder: Path) -> None:
    """`remove` for files and links of one folder."""
    try:
        with place(folder / "_") as first:
            for name in names:
                with suppress(FileNotFoundError):
                    first.sibling(name).unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot("remove", folder, error) from error


def make_links(targets: Mapping[str, str], folder: Path) -> None:
    """`make_link` for several names in one folder that exists.

    Where Windows makes no links for this user, a folder is reached by a junction and a file by a second
    name.
    """
    try:
        with place(folder / "_") as first:
            for name, target in targets.items():
                try:
                    _link(first.sibling(name), folder / name, target)
                except OSError as error:
                    if getattr(error, "winerror", None) != _NO_PRIVILEGE or not os.path.isabs(
                        target
                    ):
                        raise
                    _stand_in(first.sibling(name), folder / name, target)
    except OSError as error:
        raise _cannot_link(folder, next(iter(targets.values()), ""), error) from error


def write_new(
    path: Path, content: str | bytes, mode: int | None = None, *, executable: bool | None = None
) -> None:
    """Write a file that does not exist yet, onto the disk. `mode` None: that of any new file.

    `executable`: whether those who can read it can start it; None: as `mode` says.
    """
    usual = 0o777 if executable else 0o666
    if mode is not None and executable is not None:
        mode = (mode & ~0o111) | (mode & 0o444) >> 2 if executable else mode & ~0o111
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    try:
        with place(path) as new:
            number = new.open(
                os.O_WRONLY | os.O_CREAT | os.O_EXCL, usual if mode is None else 0o600
            )
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                _to_disk(file.fileno())
                if mode is not None:
                    _set_mode(file.fileno(), new, mode)
    except OSError as error:
        raise cannot("write", path, error) from error


def append(path: Path, text: str) -> None:
    """Append to a file, onto the disk. Raises UserError; a part may have been written then."""
    try:
        with place(path) as found:
            number = found.open(os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "ab", buffering=0) as file:
                data = memoryview(text.encode("utf-8"))
                while data:
                    data = data[file.write(data) :]
                _to_disk(file.fileno())
    except OSError as error:
        raise cannot("write", path, error) from error


def require_writable(path: Path) -> None:
    """Raise UserError for a file that is read-only, though it could be replaced."""
    if not os.access(path, os.W_OK):
        raise cannot("write", path, PermissionError(errno.EACCES, "the file is read-only"))


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    try:
        return path.stat().st_mode & 0o7777
    except OSError as error:
        raise cannot("read", path, error) from error


def replace(path: Path, target: Path) -> None:
    """Put a file or a link in the place of another one on the same disk, in one step.

    A link at `target` is replaced, never followed.
    """
    try:
        with place(path) as source, place(target) as found:
            _replace(source, found)
    except OSError as error:
        raise cannot("write", target, error) from error


def flush_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut, where the system can (not on Windows)."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            _to_disk(handle)
        finally:
            os.close(handle)


def flush_tree(folder: Path) -> None:
    """Have the files in a folder survive a power cut."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if not os.path.islink(os.path.join(parent, name)):
                _flush(Path(parent, name))
        flush_folder(Path(parent))


def _flush(path: Path) -> None:
    with suppress(OSError), path.open("rb+" if os.access(path, os.W_OK) else "rb") as file:
        _to_disk(file.fileno())


def open_log(path: Path) -> IO[bytes]:
    """Open an unbuffered file for the output of a program. What it contained is removed."""
    return _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "wb")


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    private = is_private(path)
    try:
        with _made(path) as found:
            number = found.open(flags, 0o600 if private else 0o666)
            if private and os.fstat(number).st_mode & 0o077:
                with suppress(OSError):  # of another user
                    _set_mode(number, found, 0o600)
            return os.fdopen(number, mode, buffering=0)
    except OSError as error:
        raise cannot("write", path, error) from error


def make_folder(path: Path, *, new: bool = False) -> Path:
    """Make the folder and its parents if they do not exist, and return it.

    `new`: UserError if it exists.
    """
    mode = _mode_of(str(path))
    try:
        with _made(path) as found:
            if found.status() is None:
                with suppress(FileExistsError):  # another process has just made it
                    found.mkdir(mode)
                    return path
            status = found.status()
            if new or status is None or not stat.S_ISDIR(status.st_mode):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            if mode == 0o700 and found.folder is not None:
                with found.entered() as folder:
                    close_to_others(folder.number or 0)
    except OSError as error:
        raise cannot("make", path, error) from error
    return path


def make_link(link: Path, target: str) -> None:
    """Make a symbolic link. `target` is kept as it is: a relative one stays relative."""
    try:
        with _made(link, follow=False) as found:
            _link(found, link, target)
    except OSError as error:
        raise _cannot_link(link, target, error) from error


def can_link(folder: Path) -> bool:
    """Whether this user may make symbolic links in a folder, which is made if it does not exist."""
    link = folder / f".{os.urandom(8).hex()}"
    try:
        make_link(link, "x")
        remove(link)
    except UserError:
        return False
    return True


def replace_link(link: Path, target: str) -> None:
    """Make a symbolic link in one step, replacing a file or another link.

    `target` is kept as it is.
    """
    try:
        with _made(link, follow=False) as found:
            temporary = found.sibling(f".{link.name[:40]}.{os.urandom(8).hex()}")
            _link(temporary, link, target)
            try:
                _replace(temporary, found)
            except OSError as error:
                with suppress(OSError):
                    temporary.unlink()
                raise cannot("make", link, error) from error
    except OSError as error:
        raise _cannot_link(link, target, error) from error


def _link(found: Place, link: Path, target: str) -> None:
    # Windows alone has two kinds of links.
    found.symlink(target, sys.platform == "win32" and (link.parent / target).is_dir())


def _stand_in(found: Place, link: Path, target: str) -> None:
    if os.path.isdir(target):
        _join(target, str(link))
    else:
        os.link(target, found.name, dst_dir_fd=found.folder)


# What Windows answers to somebody who may not make links (ERROR_PRIVILEGE_NOT_HELD).
_NO_PRIVILEGE = 1314


def _cannot_link(link: Path, target: str, error: OSError) -> UserError:
    if getattr(error, "winerror", None) != _NO_PRIVILEGE:
        return cannot("make", link, error)
    return UserError(
        f"cannot make it, a link to {target}: {(error.strerror or str(error)).lower()}",
        code="file-error",
        where=str(link),
        hint="Turn Developer Mode on in Windows, or run from WSL",
    )


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[int]:
    """Hold an exclusive lock on the file `path`.

    The system releases it when the process ends, however it ends. `waiting` is printed once on
    stderr if another process holds the lock. Yields the file descriptor: a child process that
    inherits it holds the lock too, until it ends.
    """
    with _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, "a+b") as file:
        is_printed = False
        while not _try_lock(file.fileno()):
            if waiting and not is_printed:
                console.print_line(waiting)
                is_printed = True
            time.sleep(0.1)
        yield file.fileno()


def locked_now(path: Path) -> IO[bytes] | None:
    """The same lock without waiting, until the file is closed; None if another has it."""
    file = _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, "a+b")
    if _try_lock(file.fileno()):
        return file
    file.close()
    return None


if sys.platform == "win32":
    import _winapi
    import msvcrt

    def _join(target: str, path: str) -> None:
        _winapi.CreateJunction(target, path)

    def _to_disk(number: int) -> None:
        os.fsync(number)

    def _try_lock(number: int) -> bool:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _join(target: str, path: str) -> None:
        raise OSError(errno.ENOSYS, "only Windows has junctions")

    def _to_disk(number: int) -> None:
        """Have an open file's content survive a power cut.

        On macOS fsync leaves it in the disk's own memory. Source: fsync(2) of macOS; a file system
        that cannot do more refuses.
        """
        if (full := getattr(fcntl, "F_FULLFSYNC", None)) is not None:
            with suppress(OSError):
                fcntl.fcntl(number, full)
                return
        os.fsync(number)

    def _try_lock(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _replace(temporary: Place, target: Place) -> None:
    """os.replace with retries: on Windows, scanners and editors open files for a moment."""
    _retried(lambda: temporary.replace(target))


def _retried(act: Callable[[], object], attempts: int = 20 if os.name == "nt" else 1) -> None:
    """Call `act` until no other program has the file open, for a second at most."""
    for attempt in range(attempts):
        try:
            act()
            return
        except PermissionError:
            if attempt == attempts - 1:
                raise
            time.sleep(0.05)


def _mode_of(folder: str) -> int:
    """The mode of a folder that is made, less the umask."""
    return 0o700 if is_private(folder) else 0o777


def _close_cache(path: Path) -> None:
    """Close the cache in its usual place to others; older versions of the tool did not.

    A folder that INNERLOOP_CACHE names is the person's.
    """
    if sys.platform == "win32" or os.environ.get("INNERLOOP_CACHE"):
        return
    with suppress(OSError, RuntimeError):
        cache = cache_folder()
        if path.is_relative_to(cache) and cache.stat().st_mode & 0o077:
            number = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
            try:
                close_to_others(number)
            finally:
                os.close(number)


def error_of(error: OSError) -> UserError:
    """The error for a file or folder that the system refuses."""
    return cannot("use", Path(os.fsdecode(error.filename)), error)


# What Windows answers about a file that another program has open (ERROR_SHARING_VIOLATION,
# ERROR_LOCK_VIOLATION, ERROR_USER_MAPPED_FILE); for a rename it is ERROR_ACCESS_DENIED.
_IN_USE = (32, 33, 1224)
_DENIED = 5


def is_in_use(error: OSError, verb: str, *, is_writable: bool) -> bool:
    """Whether Windows refuses it because another program has the file open.

    "Access denied" is that, too, for a file that this user may write.
    """
    number = getattr(error, "winerror", None)
    return number in _IN_USE or (number == _DENIED and verb != "read" and is_writable)


def cannot(verb: str, path: Path, error: OSError) -> UserError:
    """The error for what the system refuses to do with a path: "cannot VERB it: ..."."""
    if is_in_use(error, verb, is_writable=os.access(path, os.W_OK)):
        return UserError(
            f"cannot {verb} it: another program has it open",
            code="file-in-use",
            where=str(path),
            hint="Close it there (an editor, Excel, a terminal in that folder) and run the command "
            "again; nothing was changed in it",
        )
    reason = (error.strerror or str(error)).lower()
    hints = {
        errno.ENOSPC: "Free some disk space and run the command again; nothing was lost",
        errno.EROFS: "The disk is mounted read-only",
        errno.EACCES: "Check its owner and permissions",
        errno.EEXIST: "There is a file where a folder is needed: move it away",
        errno.ENOTDIR: "There is a file where a folder is needed: move it away",
    }
    return UserError(
        f"cannot {verb} it: {reason}",
        code="file-error",
        where=str(path),
        hint=hints.get(error.errno or 0, ""),
    )
