"""Reads and writes files. Nothing else in the tool writes to disk.

Every write is atomic: the text goes to a temporary file next to its target, which it then
replaces. After a crash or with a full disk, a reader finds the old text or the new one.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from . import console
from .errors import UserError


def read_text(path: Path) -> str | None:
    """The text with its line endings, or None if there is no such file.

    UserError if the file cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise UserError(
            f"the file is not UTF-8 (byte {error.start})",
            code="not-utf8",
            where=str(path),
            hint="Save it as UTF-8",
        ) from error
    except OSError as error:
        raise _cannot("read", path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write the text atomically.

    Keeps the mode of an existing file, writes the target of a link, and makes missing folders.
    UserError if that fails; the old file is unchanged then.
    """
    put(stage(path, text), path)


def overwrite(path: Path, text: str) -> bool:
    """Write into an existing file without a new one, where `write_text` finds no room for that.

    Not atomic. False if that fails as well, or if it is a link; the old text is there then.
    """
    new = text.encode("utf-8")
    try:
        if path.is_symlink():
            return False
        old = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            try:
                if file.write(new) != len(new):
                    raise OSError(errno.ENOSPC, "no room")
                file.truncate()
            except OSError:
                file.seek(0)
                file.write(old)
                file.truncate()
                return False
    except OSError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """`write_text` for a secret: no other user of this machine can read it at any moment."""
    import tempfile

    make_folder(path.parent)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        _replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _cannot("write", path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def stage(path: Path, text: str, folder: Path | None = None) -> Path:
    """First half of a write: a temporary file with the text and the mode of `path`.

    It is in `folder`, whose owner removes leftovers, if that is on the same disk; else next to
    `path`.
    """
    import tempfile  # here, since most commands write nothing and should start quickly

    target = _real(path)
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "the file is read-only")
        if folder is None or folder.stat().st_dev != target.parent.stat().st_dev:
            folder = target.parent
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        staged, temporary = Path(temporary), None
        return staged
    except OSError as error:
        raise _cannot("write", path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def write_stream(path: Path, chunks: Iterable[bytes]) -> None:
    """`write_text` for bytes that come in chunks.

    The file exists only after the last chunk; an exception while reading them leaves nothing
    behind.
    """
    import tempfile

    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        Path(temporary).chmod(0o666 & ~_umask())
        _replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _cannot("write", path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def put(staged: Path, path: Path) -> None:
    """Second half of a write: the staged file replaces the target in one step."""
    try:
        _replace(str(staged), _real(path))
    except OSError as error:
        raise _cannot("write", path, error) from error
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)


def _real(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path


def remove(path: Path) -> None:
    """Remove a file, if it exists."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot("remove", path, error) from error


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def remove_tree(folder: Path) -> None:
    """Remove a folder with its contents. Links are removed, never followed."""
    import shutil

    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


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
    """Move a file or folder into `folder`, which is made if it does not exist."""
    import shutil

    make_folder(folder)
    try:
        shutil.move(str(path), str(folder / path.name))
    except OSError as error:
        raise _cannot("move", path, error) from error


def rename(path: Path, target: Path) -> None:
    """Rename a file or folder on the same disk, in one step."""
    try:
        path.rename(target)
    except OSError as error:
        raise _cannot("make", target, error) from error


def copy(path: Path, target: Path, change: Callable[[str], str] | None = None) -> None:
    """Copy a file and its mode. `change` is applied to its text if it is UTF-8."""
    try:
        content = path.read_bytes()
        if change is not None:
            with suppress(UnicodeDecodeError):
                content = change(content.decode("utf-8")).encode("utf-8")
        target.write_bytes(content)
        target.chmod(path.stat().st_mode & 0o7777)
    except OSError as error:
        raise _cannot("write", target, error) from error


def open_log(path: Path) -> IO[bytes]:
    """Open an unbuffered file for the output of a program."""
    try:
        return path.open("wb", buffering=0)
    except OSError as error:
        raise _cannot("write", path, error) from error


def make_folder(path: Path) -> Path:
    """Make the folder and its parents if they do not exist, and return it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot("make", path, error) from error
    return path


def make_link(link: Path, target: str) -> None:
    """Make a symbolic link. `target` is kept as it is: a relative one stays relative."""
    try:
        make_folder(link.parent)
        link.symlink_to(target, target_is_directory=(link.parent / target).is_dir())
    except OSError as error:
        raise UserError(
            f"the link to {target} cannot be made ({error.strerror})",
            code="file-error",
            where=str(link),
            hint="On Windows, turn Developer Mode on, or run from WSL",
        ) from error


def replace_link(link: Path, target: str) -> None:
    """Make a symbolic link in one step, replacing a file or another link.

    `target` is kept as it is.
    """
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    make_link(temporary, target)
    try:
        _replace(str(temporary), link)
    except OSError as error:
        remove(temporary)
        raise _cannot("make", link, error) from error


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[int]:
    """Hold an exclusive lock on the file `path`.

    The system releases it when the process ends, however it ends. `waiting` is printed once on
    stderr if another process holds the lock. Yields the file descriptor: a child process that
    inherits it holds the lock too, until it ends.
    """
    make_folder(path.parent)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise _cannot("write", path, error) from error
    with file:
        is_printed = False
        while not _try_lock(file.fileno()):
            if waiting and not is_printed:
                console.print_line(waiting)
                is_printed = True
            time.sleep(0.1)
        yield file.fileno()


if sys.platform == "win32":
    import msvcrt

    def _try_lock(number: int) -> bool:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _replace(temporary: str, target: Path) -> None:
    """os.replace with retries: on Windows, scanners and editors open files for a moment."""
    for attempt in range(10):
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == 9:
                raise
            time.sleep(0.05)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot(verb: str, path: Path, error: OSError) -> UserError:
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
