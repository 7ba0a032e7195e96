"""Files that grow while somebody looks at them.

What was read of a long file is kept, so the next look reads on from there. A file that was written
again, was cut, or is another one under the same name is read from its start.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar

from ..util import regular_files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

# What was read of less is not kept, nor what was read of more together (bytes, as a reader weighs it).
SHORT, MOST = 64_000, 32_000_000
# So many bytes at the start, and before the place to read on from, tell whether it is the same file.
_SAMPLE = 1024

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Reader(Protocol[T_co]):
    """What is made of one file, from its start on."""

    @property
    def weight(self) -> int:
        """How much of the file it holds in memory, in bytes of the file."""

    def read_on(self, file: IO[bytes], size: int) -> int:
        """Read what is whole of a file of `size` bytes that stands where the last call ended.

        Returns the place where it ended. What this raises is raised by `read`.
        """

    def found(self) -> T_co:
        """What is in the file so far; later calls of `read_on` do not change it. May raise as it."""


@dataclass(slots=True)
class _Kept(Generic[T]):
    """The reader of a file's first `end` bytes."""

    identity: tuple[int, int]
    reader: Reader[T]
    end: int = 0
    first: bytes = b""
    last: bytes = b""


# By path, the one that was read last at the end.
_kept: dict[str, _Kept[Any]] = {}
_lock = threading.Lock()


def read(path: Path, start: Callable[[], Reader[T]], largest: int | None = None) -> T:
    """What the reader of a file finds in it: the one of an earlier look, else the one `start` makes.

    So a file has one kind of reader. Raises UserError if the file has more than `largest` bytes, or as
    `regular_files.opened`; an OSError is that of `open`.
    """
    with _lock, regular_files.opened(path) as file:
        status = os.fstat(file.fileno())
        if largest is not None and status.st_size > largest:
            raise UserError(
                f"the file is larger than {largest // 1_000_000} MB", code="file-too-large",
                where=str(path),
            )  # fmt: skip
        identity = status.st_dev, status.st_ino
        kept: _Kept[T] | None = _kept.pop(str(path), None)
        if kept is None or kept.identity != identity or not _is_as_it_was(file, kept):
            kept = _Kept(identity, start())
        file.seek(kept.end)
        kept.end = kept.reader.read_on(file, status.st_size)
        kept.first, kept.last = _samples(file, kept.end)
        _keep(str(path), kept)
        return kept.reader.found()


def _is_as_it_was(file: IO[bytes], kept: _Kept[T]) -> bool:
    return _samples(file, kept.end) == (kept.first, kept.last)


def _samples(file: IO[bytes], end: int) -> tuple[bytes, bytes]:
    file.seek(0)
    first = file.read(min(_SAMPLE, end))
    file.seek(max(0, end - _SAMPLE))
    return first, file.read(min(_SAMPLE, end))


def _keep(path: str, kept: _Kept[T]) -> None:
    if kept.reader.weight > SHORT:
        _kept[path] = kept
    while sum(one.reader.weight for one in _kept.values()) > MOST:
        del _kept[next(iter(_kept))]
