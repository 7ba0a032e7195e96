"""Symbolic links for Python under Wine, whose CreateSymbolicLink makes none.

Every Python of the prefix imports it at its start. The links are real ones of the system outside:
host.py makes and reads them. With WINE_NO_LINKS nobody may make one, as without Developer Mode.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

# ERROR_PRIVILEGE_NOT_HELD
_NO_PRIVILEGE = 1314
_own = {
    name: getattr(os, name)
    for name in ("stat", "lstat", "scandir", "unlink", "rmdir", "replace", "rename")
}


def _absolute(path: Any) -> str:
    text = os.fsdecode(path)
    is_absolute = text[1:2] == ":" or text.startswith("\\\\")
    return text if is_absolute else os.path.join(os.getcwd(), text)


def _ask(operation: str, path: Any, **more: Any) -> Any:
    import host_client

    return host_client.ask(operation, _absolute(path), **more)


def _is_link(path: Any) -> bool:
    try:
        return not isinstance(path, int) and bool(_ask("islink", path))
    except (OSError, ValueError):
        return False


def _lstat(path: Any, *, dir_fd: int | None = None) -> os.stat_result:
    if not _is_link(path):
        result: os.stat_result = _own["lstat"](path)
        return result
    try:
        values = list(_own["stat"](path)[:10])
    except OSError:
        values = [0] * 10
    values[0] = stat.S_IFLNK | 0o777
    tag = {"st_reparse_tag": stat.IO_REPARSE_TAG_SYMLINK, "st_file_attributes": 0x400}
    return os.stat_result(values, tag)


def _stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    result: os.stat_result = _own["stat"](path) if follow_symlinks else _lstat(path)
    return result


def _symlink(source: Any, target: Any, target_is_directory: bool = False, **_: Any) -> None:
    if os.environ.get("WINE_NO_LINKS"):
        text = "A required privilege is not held by the client"
        raise OSError(22, text, os.fspath(source), _NO_PRIVILEGE, os.fspath(target))
    _ask("symlink", target, target=os.fspath(source))


def _readlink(path: Any, **_: Any) -> str:
    return str(_ask("readlink", path))


def _removed(name: str) -> Any:
    def remove(path: Any, **more: Any) -> None:
        if _is_link(path):
            _ask("unlink", path)
        else:
            _own[name](path)

    return remove


def _moved(name: str) -> Any:
    def move(source: Any, target: Any, **more: Any) -> None:
        if _is_link(source):
            _ask("replace", source, target=_absolute(target))
        else:
            _own[name](source, target)

    return move


class _Entry:
    """An os.DirEntry that knows whether it is a link; a dangling one has no entry of Wine's."""

    def __init__(self, folder: str, name: str, is_link: bool, entry: Any) -> None:
        self.name = name
        self.path = os.path.join(folder, name)
        self._is_link = is_link
        self._entry = entry

    def is_symlink(self) -> bool:
        return self._is_link

    def is_junction(self) -> bool:
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        if self._is_link:
            return follow_symlinks and os.path.isdir(self.path)
        return bool(self._entry.is_dir())

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        if self._is_link:
            return follow_symlinks and os.path.isfile(self.path)
        return bool(self._entry.is_file())

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return _stat(self.path, follow_symlinks=follow_symlinks)

    def inode(self) -> int:
        return int(self._entry.inode()) if self._entry else 0

    def __fspath__(self) -> str:
        return self.path


class _Entries:
    def __init__(self, folder: str) -> None:
        links = set(_ask("links", folder))
        self._entries = []
        for entry in _own["scandir"](folder):
            self._entries.append(_Entry(folder, entry.name, entry.name in links, entry))
            links.discard(entry.name)
        self._entries += [_Entry(folder, name, True, None) for name in links]
        self._next = iter(self._entries)

    def __iter__(self) -> Iterator[_Entry]:
        return self._next

    def __next__(self) -> _Entry:
        return next(self._next)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._next = iter(())


def _scandir(path: Any = ".") -> Any:
    if isinstance(path, (int, bytes)):
        return _own["scandir"](path)
    try:
        return _Entries(os.fspath(path))
    except OSError:
        return _own["scandir"](path)


if "WINE_HOST" in os.environ:
    os.lstat, os.stat, os.symlink, os.readlink = _lstat, _stat, _symlink, _readlink
    os.scandir = _scandir
    os.listdir = lambda path=".": [entry.name for entry in _scandir(path)]
    os.unlink = os.remove = _removed("unlink")
    os.rmdir = _removed("rmdir")
    os.replace, os.rename = _moved("replace"), _moved("rename")
