"""Merges of files where lines, or tables, stand for themselves: ignore files, pyproject.toml.

A person's own lines, comments and order stay, and nothing here can end in a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...sync import three_way_text
from ...util.late_patterns import late_pattern

_HEADER = late_pattern(r"\[\[?[ \t]*[A-Za-z0-9_\"'-][^\[\],#]*\]?\][ \t]*(#.*)?\n?\Z")


def without_lines(yours: str, known: Iterable[str]) -> str:
    """A list of patterns without the lines that the tool once gave; comments of a person stay."""
    tools = {*known}
    kept = [line for line in _lines(yours) if not line.strip() or line.rstrip("\r\n") not in tools]
    return re.sub(r"\A(\r?\n)+", "", "".join(kept))


class TomlTable(NamedTuple):
    """A table of a TOML text: the comment that belongs to it, its header, and its lines."""

    comment: str
    header: str
    body: str

    @property
    def text(self) -> str:
        return self.comment + self.header + self.body

    @property
    def plain(self) -> str:
        """What is compared: blank lines around a table belong to nobody."""
        return (self.header + self.body).strip("\n")


def tables(text: str) -> list[TomlTable]:
    """The text in parts, which make the text again. The first one may have no header."""
    parts: list[list[str]] = [[]]
    for line in _lines(text):
        if _HEADER.match(line):
            parts.append([line])
        else:
            parts[-1].append(line)
    found = [TomlTable("", "", "".join(parts[0]))]
    for header, *body in parts[1:]:
        above = found[-1].body
        lines = _lines(above)
        count = len(lines)
        while count and lines[count - 1].startswith("#"):
            count -= 1
        found[-1] = found[-1]._replace(body="".join(lines[:count]))
        found.append(TomlTable("".join(lines[count:]), header, "".join(body)))
    return found


def replace_tables(
    yours: str,
    bases: Iterable[TomlTable],
    theirs: str,
    closest: Callable[[str, Iterable[str]], str],
) -> str:
    """The tables that the tool once gave, as it gives them now, or gone if it gives them no more.

    An edited table keeps the person's lines: the changes are merged into it by lines where they can
    be, and otherwise it stays.
    """
    known: dict[str, list[str]] = {}
    for base in bases:
        known.setdefault(_name(base), []).append(base.plain)
    new = {_name(table): table.plain for table in tables(theirs) if table.header}
    parts: list[str] = []
    for table in tables(yours):
        name = _name(table)
        if not table.header or name not in known or table.plain == new.get(name):
            parts.append(table.text)
        elif table.plain in known[name]:
            blank = re.search(r"\n*\Z", table.header + table.body)
            rest = new[name] + (blank[0] if blank else "") if name in new else ""
            parts.append(table.comment + rest)
        elif name in new:
            base_text = closest(table.plain, known[name])
            merged = three_way_text.merge(table.plain + "\n", base_text + "\n", new[name] + "\n")
            blank = re.search(r"\n*\Z", table.header + table.body)
            text = table.plain if merged.text is None else merged.text.rstrip("\n")
            parts.append(table.comment + text + (blank[0] if blank else ""))
        else:
            parts.append(table.text)
    return re.sub(r"\A\n+", "", "".join(parts)).rstrip("\n") + "\n"


def _name(table: TomlTable) -> str:
    return table.header.partition("#")[0].strip()


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)
