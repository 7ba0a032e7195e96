"""A poetry.lock as pip's requirements: each package at its version, with its marker and its hashes.

Source: Poetry's lock files of version 2.1, which Poetry 2.0 and newer write: `groups` and `markers`
of each package, and `files` with a hash each. It is what `poetry export` prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.position import Position
from .environment_source import toml_of

_HEADER = late_pattern(r"(?m)^\[\[package\]\]")
_NAME = late_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = late_pattern(r"[A-Za-z0-9.!+_-]+")
_HASH = late_pattern(r"sha(?:256|384|512):[0-9a-f]{64,128}")
# Wheels for other systems than Linux, by the last part of their names.
_FOREIGN = late_pattern(r"-(?:win32|win_\w+|macosx_[\w.]+|ios_\w+)\.whl\Z")
_MARKER = late_pattern(r"""[A-Za-z0-9_."'<>=!~() \t,|+*-]+""")


def requirements(
    text: str, path: str, groups: Set[str] | None = frozenset({"main"}), *, linux: bool = False
) -> str:
    """The lines of a requirements file for the packages of these groups; None for all groups.

    `linux`: without the hashes of wheels for other systems, unless a package has no others.

    Raises `UserError` at the line of what pip could not check by a hash, and for an older lock.
    """
    lock = toml_of(text, path)
    metadata = lock.get("metadata")
    version = str(metadata.get("lock-version") or "") if isinstance(metadata, dict) else ""
    if not re.fullmatch(r"2\.[1-9]\d*", version):
        raise UserError(
            f"its lock-version is {version or 'missing'}, which names no groups and markers",
            code="environment-lock-old",
            where=path,
            hint="Write it again with `poetry lock` of Poetry 2",
        )
    packages = lock.get("package")
    lines = [
        Position(path, text.count("\n", 0, one.start()) + 1, 1) for one in _HEADER.finditer(text)
    ]
    found: list[str] = []
    for number, package in enumerate(packages if isinstance(packages, list) else []):
        where = lines[number] if number < len(lines) else Position(path, 1, 1)
        found += _lines(package, groups, where, linux)
    return "".join(f"{line}\n" for line in found)


def _lines(package: Any, groups: Set[str] | None, where: Position, linux: bool) -> Iterator[str]:
    if not isinstance(package, dict):
        raise _invalid("a package is not a table", where)
    of = package.get("groups")
    named = [str(one) for one in of] if isinstance(of, list) else []
    chosen = [one for one in named if groups is None or one in groups]
    if not chosen:
        return
    if package.get("optional") is True:
        return  # of an extra, which nobody asked for
    name, version = package.get("name"), package.get("version")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _invalid(f"{name!r} is no name of a package", where)
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise _invalid(f"{version!r} is no version of {name}", where)
    source = package.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if kind not in (None, "legacy"):
        raise UserError(
            f"{name} is from a {kind}, which has no hash to check",
            code="environment-lock-unhashed",
            where=where,
            hint="Take it from a package index, or use a Dockerfile that runs `poetry install`",
        )
    marker = _marker(package.get("markers"), chosen, where)
    files = dict(_hashes(package.get("files"), where))
    here = [one for one, file in files.items() if not (linux and _FOREIGN.search(file))]
    hashes = sorted(here or files)
    if not hashes:
        raise _invalid(f"{name} has no hash", where)
    ends = " ".join(f"--hash={one}" for one in hashes)
    yield f"{name}=={version}{f' ; {marker}' if marker else ''} {ends}"


def _marker(value: Any, groups: list[str], where: Position) -> str:
    """The marker of the groups together; "" if one of them has none."""
    if isinstance(value, Mapping):
        parts = [value.get(one, "") for one in groups]
    else:
        parts = ["" if value is None else value]
    if any(not isinstance(one, str) or (one and not _MARKER.fullmatch(one)) for one in parts):
        raise _invalid("its markers are no text", where)
    if "" in parts:
        return ""
    unique = list(dict.fromkeys(parts))
    return unique[0] if len(unique) == 1 else " or ".join(f"({one})" for one in unique)


def _hashes(files: Any, where: Position) -> Iterator[tuple[str, str]]:
    """(hash, file) of each file of a package."""
    for entry in files if isinstance(files, list) else ():
        one = entry.get("hash") if isinstance(entry, dict) else None
        if not isinstance(one, str) or not _HASH.fullmatch(one):
            raise _invalid(f"{one!r} is no hash", where)
        yield one, str(entry.get("file", "")) if isinstance(entry, dict) else ""


def _invalid(what: str, where: Position) -> UserError:
    return UserError(
        what,
        code="environment-lock-invalid",
        where=where,
        hint="Write the lock again with `poetry lock`",
    )
