"""Positions of keys in a TOML text: Python's own parser returns only values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .late_patterns import late_pattern
from .position import Position

_PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\w-]+)"""
_KEY = late_pattern(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*(=|\])")
_HEADER = late_pattern(r"\s*\[\[?")


def position_of(text: str, name: str, *keys: str) -> Position:
    """The line of the key that `keys` lead to, or of the nearest key around it that exists.

    A key in an inline table has the table's line; line 0 if no key exists.
    """
    best, line = 0, 0
    for number, path in _keys(text):
        common = 0
        while common < min(len(path), len(keys)) and path[common] == keys[common]:
            common += 1
        if common > best and common == len(path):
            best, line = common, number
    return Position(name, line)


def commented_out(text: str, table: str, why: str) -> str:
    """The text with a table and its subtables turned into comments.

    A comment with the reason `why` precedes them. The same text if it has no such table.
    """
    inside = False
    kinds = dict(_keys(text))
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        path = kinds.get(number)
        if path is not None and (path[0] == table or _HEADER.match(line)):
            inside = path[0] == table
            if inside and why:
                lines.append(f"# {why}\n")
                why = ""
        lines.append(f"# {line}" if inside and line.strip() else line)
    return "".join(lines)


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, path) of each table's header and of each key."""
    yield from ((number, path) for number, path, _ in keys_of(text))


def keys_of(text: str) -> Iterator[tuple[int, tuple[str, ...], int]]:
    """(line, path, how many parts of it the line writes) of each table's header and of each key.

    Lines within multi-line strings and arrays are skipped.
    """
    table: tuple[str, ...] = ()
    closes = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closes:
            closes = "" if closes in line else closes
            continue
        header = _HEADER.match(line)
        found = _KEY.match(line, header.end() if header else 0)
        if found is None or (header is None) != (found[2] == "="):
            continue
        path = tuple(_plain(part) for part in re.findall(_PART, found[1]))
        if header is not None:
            table = path
            yield number, table, len(table)
            continue
        yield number, (*table, *path), len(path)
        for quotes in ('"' * 3, "'" * 3):
            if line.count(quotes, found.end()) == 1:
                closes = quotes


def _plain(part: str) -> str:
    return part[1:-1] if part[:1] in ("'", '"') else part
