"""Reads files that somebody else may have put there.

A path of a workspace may name a FIFO, a socket, a device, a folder, or a file of any size. Only a
regular file is read, only up to a size, and opening it never waits for a writer.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import UserError

# The largest file that is read as a whole, in bytes, unless the caller names another limit.
LARGEST = 64_000_000
# The largest record that the tool writes itself.
LARGEST_RECORD = 8_000_000

# The paths of the files whose text was read in this process, as their readers named them: a result is
# the same while these are. Whoever only looks at what kind of file it is reads it with `is_read=False`.
texts_read: set[str] = set()

# Windows has no O_NONBLOCK and no O_NOFOLLOW, and reads text files differently without O_BINARY.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def read_bytes(
    path: Path | str, largest: int = LARGEST, *, follow: bool = True, is_read: bool = True
) -> bytes:
    """The content of a regular file.

    Without `follow` the path itself must not be a link (its folders may be). `is_read`: whether its
    text counts as read (see `texts_read`). Raises UserError for a file that is larger, or is not a
    regular one; OSError as `open` does, also for a path that no file system can have.
    """
    try:
        # Opening a device may act on it, and a link may lead to one.
        if follow or not _NO_LINK:
            _require_regular(path, os.stat(path) if follow else os.lstat(path))
        number = os.open(path, _FLAGS | (0 if follow else _NO_LINK))
    except ValueError as error:  # a zero byte or a lone surrogate in the path
        raise FileNotFoundError(2, "no such file", str(path)) from error
    return read_open(number, path, largest, is_read=is_read)


def may_contain(path: Path, word: bytes) -> bool:
    """Whether a file has the word; True for what is no regular file. OSError if it cannot be read."""
    try:
        return word in read_bytes(path)
    except FileNotFoundError:
        return False
    except UserError:
        return True


def read_open(
    number: int, path: Path | str, largest: int = LARGEST, *, is_read: bool = True
) -> bytes:
    """The content of a regular file that is open, and closed here. Raises as `read_bytes` does."""
    if is_read:
        texts_read.add(os.fspath(path))
    try:
        status = os.fstat(number)
        _require_regular(path, status)
        content = None if status.st_size > largest else _content(number, status.st_size, largest)
    finally:
        os.close(number)
    if content is None:
        raise UserError(
            f"the file is larger than {largest // 1_000_000} MB",
            code="file-too-large",
            where=str(path),
            hint="Move it away, or make it smaller",
        )
    return content


def _content(number: int, size: int, largest: int) -> bytes | None:
    """All that an open file has; None if that is more than `largest`.

    A file of /proc has the size 0, and one that grows has more than its size.
    """
    content = os.read(number, size + 1)
    if size and len(content) == size:
        return content
    parts, total = [content], len(content)
    while parts[-1] and total <= largest:
        parts.append(os.read(number, 1 << 20))
        total += len(parts[-1])
    return b"".join(parts) if total <= largest else None


def read_or_fail(path: Path, largest: int = LARGEST) -> bytes:
    """`read_bytes`, with an OSError as a UserError."""
    try:
        return read_bytes(path, largest)
    except OSError as error:
        raise UserError(
            f"cannot read it: {(error.strerror or str(error)).lower()}",
            code="file-error",
            where=str(path),
            hint="Check its owner and permissions",
        ) from error


@contextmanager
def opened(path: Path, *, follow: bool = True, is_read: bool = True) -> Iterator[IO[bytes]]:
    """A regular file of any size, open for reading. The arguments and errors are `read_bytes`'s."""
    try:
        _require_regular(path, os.stat(path) if follow else os.lstat(path))
        number = os.open(path, _FLAGS | (0 if follow else _NO_LINK))
    except ValueError as error:  # a zero byte or a lone surrogate in the path
        raise FileNotFoundError(2, "no such file", str(path)) from error
    if is_read:
        texts_read.add(os.fspath(path))
    with os.fdopen(number, "rb") as file:
        _require_regular(path, os.fstat(file.fileno()))
        yield file


def copy_to(path: Path, out: IO[bytes]) -> None:
    """Write the content of a regular file of any size to a stream. Raises as `read_bytes` does."""
    with opened(path) as file:
        while chunk := file.read(1 << 20):
            out.write(chunk)
    out.flush()


def _require_regular(path: Path | str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(21, "Is a directory", str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = next(
            (word for is_kind, word in _KINDS if is_kind(status.st_mode)), "not a regular file"
        )
        raise UserError(
            f"this is {kind}, where a file is expected",
            code="file-not-regular",
            where=str(path),
            hint="Move it away",
        )


_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
