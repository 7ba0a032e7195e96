"""Edits of the table that declares an experiment: everything else of the file stays as it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.toml_positions import keys_of
from .declarations import Declaration
from .settings import read_toml

_PART = late_pattern(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\w-]+""")


def without(declaration: Declaration, text: str) -> str:
    """The file's text without the table and the tables below it. UserError if it cannot be edited."""
    lines = text.splitlines(keepends=True)
    gone: set[int] = set()
    for first, last, is_table in _blocks(declaration.at, text):
        if is_table:  # comments right above the next table belong to that one
            while last > first and last < len(lines) and lines[last - 1].lstrip().startswith("#"):
                last -= 1
        gone.update(range(first, last + 1))
    edited = "".join(line for number, line in enumerate(lines, start=1) if number not in gone)
    if not edited.strip():
        edited = ""
    _require(declaration, text, edited, None)
    return edited


def renamed(declaration: Declaration, text: str, name: str) -> str:
    """The file's text with another name for the experiment. UserError if it cannot be edited."""
    at, new = declaration.at, name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'
    lines = text.splitlines(keepends=True)
    for number, path, own in keys_of(text):
        index = len(at) - 1 - (len(path) - own)  # of the name, in what the line itself writes
        if path[: len(at)] == at and 0 <= index < own:
            lines[number - 1] = _with_part(lines[number - 1], index, new)
    edited = "".join(lines)
    _require(declaration, text, edited, name)
    return edited


def _with_part(line: str, index: int, new: str) -> str:
    part = list(_PART.finditer(line))[index]
    return line[: part.start()] + new + line[part.end() :]


def _blocks(at: tuple[str, ...], text: str) -> Iterator[tuple[int, int, bool]]:
    """The first and last line of each table or key at or below a path, and whether it is a table."""
    count = len(text.splitlines())
    rows = [(number, path, own == len(path)) for number, path, own in keys_of(text)]
    tables = {number for number, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)}
    starts = [number for number, _, _ in rows]
    for index, (number, path, _) in enumerate(rows):
        if path[: len(at)] != at:
            continue
        if number in tables:
            later = [other for other in starts[index + 1 :] if other in tables]
            yield number, (later[0] - 1 if later else count), True
        else:
            last = starts[index + 1] - 1 if index + 1 < len(starts) else count
            yield number, max(_end_of_value(text, number, last), number), False


_HEADER = late_pattern(r"\s*\[\[?\s*[\w\"'-][^=]*\]\s*(#.*)?$")


def _end_of_value(text: str, first: int, last: int) -> int:
    """The last line of a value that begins on a line: blank lines and comments after it stay."""
    lines = text.splitlines()
    while last > first and (not lines[last - 1].strip() or lines[last - 1].lstrip()[0] == "#"):
        last -= 1
    return last


def _require(declaration: Declaration, before: str, after: str, name: str | None) -> None:
    """UserError unless the edited text says what it should, and all else as before."""
    try:
        is_right = _expected(declaration, before, name) == read_toml(after, declaration.file)
    except UserError:
        is_right = False
    if not is_right:
        raise UserError(
            f"the table of {declaration.name} is written in a way that cannot be edited",
            code="declaration-not-editable",
            where=declaration.position(),
            hint="Edit it by hand, then `scripts/loop sync`",
        )


def _expected(declaration: Declaration, before: str, name: str | None) -> dict[str, Any]:
    document = read_toml(before, declaration.file)
    parents: list[dict[str, Any]] = [document]
    for key in declaration.at[:-1]:
        parents.append(parents[-1][key])
    value = parents[-1].pop(declaration.name)
    if name is not None:
        parents[-1][name] = value
    elif not parents[-1]:  # `[experiments]` may be written by the tables below it alone
        for key, parent in reversed(list(zip(declaration.at[:-1], parents[:-1], strict=True))):
            if parent[key] or _is_written(before, declaration.at, key):
                break
            del parent[key]
    return document


def _is_written(text: str, at: tuple[str, ...], key: str) -> bool:
    """Whether a table has a header of its own."""
    path = at[: at.index(key) + 1]
    return any(own == len(found) and found == path for _, found, own in keys_of(text))
