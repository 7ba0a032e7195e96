"""The one door for writing to disk.

Every write is atomic: the text goes to a temporary file beside its target and takes the target's
place in one step, so a reader, a crash or a full disk meets the old text or the new one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import UserError


def read_text(path: Path) -> str | None:
    """The text as it is on disk (line endings kept), or None when there is no such file.

    Not UTF-8 is a `Mistake`.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise UserError(
            f"the file is not UTF-8 (byte {error.start})", where=str(path), hint="Save it as UTF-8"
        ) from error
    except OSError as error:
        raise _cannot("read", path, error) from error


def write_text(path: Path, text: str) -> None:
    """Puts the text in place atomically. The mode of an existing file is kept, a symlink's target
    is written, and missing folders are made. A full disk or a read-only place is a `Mistake`, and
    leaves the old file."""
    put(stage(path, text), path)


def write_private(path: Path, text: str) -> None:
    """The same for a secret: no other user of this machine may read it, at no moment."""
    import tempfile

    make_folder(path.parent)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        _replace(temporary, path)
    except OSError as error:
        raise _cannot("write", path, error) from error


def stage(path: Path, text: str, folder: Path | None = None) -> Path:
    """The first half of a write: a temporary file with the text, and the mode that `path` has. It
    stands beside it, or in `folder`, which somebody sweeps, where that is on the same disk."""
    import tempfile  # here, since most commands write nothing and should start fast

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
    """As `write_text`, for bytes that come piece by piece and may be many: until the last one is
    there, the file is not. A reader of theirs that fails leaves nothing behind."""
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
    """The second half: the staged text takes the file's place in one step."""
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
    """Takes a file away; one that is not there is fine."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot("remove", path, error) from error


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def remove_tree(folder: Path) -> None:
    """Takes a folder away with all that is in it; links are removed, never followed."""
    import shutil

    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """The bytes of the files below a folder; links count as nothing, and so does what has gone
    meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = os.lstat(os.path.join(parent, name))
                total += 0 if os.path.islink(os.path.join(parent, name)) else found.st_size
    return total


def move_into(path: Path, folder: Path) -> None:
    """Moves a file or folder into `folder`, which is made if need be."""
    import shutil

    make_folder(folder)
    try:
        shutil.move(str(path), str(folder / path.name))
    except OSError as error:
        raise _cannot("move", path, error) from error


def rename(path: Path, target: Path) -> None:
    """Gives a file or folder another place on the same disk, in one step."""
    try:
        path.rename(target)
    except OSError as error:
        raise _cannot("make", target, error) from error


def copy(path: Path, target: Path, change: Callable[[str], str] | None = None) -> None:
    """Copies a file and its mode; `change` is applied to its text where it is UTF-8."""
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
    """A file that grows while something runs: what is written to it is on the disk at once."""
    try:
        return path.open("wb", buffering=0)
    except OSError as error:
        raise _cannot("write", path, error) from error


def make_folder(path: Path) -> Path:
    """The folder, made with its parents when it was not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot("make", path, error) from error
    return path


def make_link(link: Path, target: str) -> None:
    """A symbolic link; `target` is kept as written, so a relative one stays relative."""
    try:
        make_folder(link.parent)
        link.symlink_to(target, target_is_directory=(link.parent / target).is_dir())
    except OSError as error:
        raise UserError(
            f"the link to {target} could not be made ({error.strerror})",
            where=str(link),
            hint="On Windows, turn Developer Mode on, or run from WSL",
        ) from error


def replace_link(link: Path, target: str) -> None:
    """A symbolic link in one step, also where a file or another link stands; a link killed
    half-way leaves the old one. `target` is kept as written."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    make_link(temporary, target)
    try:
        _replace(str(temporary), link)
    except OSError as error:
        remove(temporary)
        raise _cannot("make", link, error) from error


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[int]:
    """Holds the lock file `path` within; the system lets go of it when the process ends, however
    it ends. `waiting` is said once on stderr when somebody else holds it. The number is that of
    the open file: a program that is handed it holds the lock as well, until it ends."""
    make_folder(path.parent)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise _cannot("write", path, error) from error
    with file:
        said = False
        while not _try_lock(file.fileno()):
            if waiting and not said:
                print(waiting, file=sys.stderr, flush=True)
                said = True
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
    """os.replace; on Windows a virus scanner or an editor can hold the target for a moment."""
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
        28: "Free some space on the disk and run it again; nothing was lost",
        30: "The disk is mounted read-only",
        13: "Check who owns it and its permissions",
        17: "There is a file where a folder should be: move it away",
        20: "There is a file where a folder should be: move it away",
    }
    return UserError(
        f"cannot {verb} it: {reason}", where=str(path), hint=hints.get(error.errno or 0, "")
    )
