"""Where a cursor is in a YAML text that is being typed, and may not parse.

Indentation tells the mappings around it. Braces and brackets are followed from the line where they
open; anchors and keys of several lines are not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass

_KEY = late_pattern(
    r"""(?P<dashes>(?:-\s+)*)(?P<key>"[^"]*"|'[^']*'|[^\s"'#{}\[\],&*!|>%@`:-][^#{}\[\],]*?|-[^\s:][^#:]*?)"""
    r"""\s*:(?=\s|$)"""
)
_BLOCK = late_pattern(r"[|>][-+0-9]*\s*(?:#.*)?$")
# The longest text that is looked at, in lines.
MOST_LINES = 20_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """`path`: the keys of the mappings around the cursor, "-" for an item of a list.

    `key`: the key whose value the cursor is in; "" where a key is typed. `before`: the text of the
    key or value up to the cursor; `start` and `end`: the columns of the word there, from 1.
    """

    path: tuple[str, ...]
    key: str
    before: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a block mapping, with what is written after it on its line; the line is from 1."""

    path: tuple[str, ...]
    text: str
    line: int
    column: int


def cursor_at(text: str, line: int, column: int) -> Cursor:
    """The cursor before a column of a line, both from 1 and within the text."""
    lines = text.split("\n")[:MOST_LINES]
    row = min(max(line, 1), len(lines)) - 1
    current = lines[row].rstrip("\r")
    at = min(max(column, 1), len(current) + 1) - 1
    stack, open_ = _around(lines[:row])
    start, end = _word(current, at)
    before = current[:at]
    if open_ is not None:
        is_inside = _is_deeper(current, at, stack)
        if open_.text[:1] in ("{", "[") and (is_inside or current.lstrip()[:1] in ("}", "]")):
            return _in_flow(
                open_.path, "\n".join([open_.text, *lines[open_.line : row], before]), start, end
            )
        is_text = _BLOCK.match(open_.text) or _KEY.match(current.lstrip()) is None
        if is_text and is_inside:
            return Cursor(open_.path[:-1], open_.path[-1], before.lstrip(), start, end)
    indent = len(current) - len(current.lstrip()) if current.strip() else at
    match = _KEY.match(current.lstrip())
    own = len(current) - len(current.lstrip()) + (len(match["dashes"]) if match else 0)
    frames = [frame for frame in stack if frame[0] < (own if match else indent)]
    path = tuple(key for _, key in frames)
    if match is None:
        typed = before.lstrip()
        while typed.startswith("- "):
            path, typed = (*path, "-"), typed[2:].lstrip()
        if typed[:1] in ("{", "["):
            return _in_flow(path, typed, start, end)
        return Cursor(path, "", typed, start, end)
    after = len(current) - len(current.lstrip()) + match.end()
    name = _plain(match["key"])
    if match["dashes"]:
        path = (*path, "-")
    if at < after:
        return Cursor(path, "", before.lstrip().lstrip("- "), start, end)
    value = current[after:at].lstrip()
    if value[:1] in ("{", "["):
        return _in_flow((*path, name), value, start, end)
    return Cursor(path, name, value, start, end)


def entries(text: str) -> Iterator[Entry]:
    """Every key of the block mappings of a text, in its order."""
    stack: list[tuple[int, str]] = []
    inside: int | None = None  # the indentation of the key whose text of several lines goes on
    for number, raw in enumerate(text.split("\n")[:MOST_LINES], start=1):
        line = raw.rstrip("\r")
        plain = line.lstrip()
        if not plain or plain.startswith("#"):
            continue
        indent = len(line) - len(plain)
        if inside is not None and indent > inside:
            continue
        inside = None
        match = _KEY.match(plain)
        if match is None:
            continue
        indent += len(match["dashes"])
        stack = [frame for frame in stack if frame[0] < indent]
        if match["dashes"]:
            stack.append((indent - 1, "-"))
        stack.append((indent, _plain(match["key"])))
        written = plain[match.end() :].strip()
        if written and not written.startswith("#"):
            inside = indent
        yield Entry(tuple(key for _, key in stack), written, number, indent + 1)


def document_of(text: str, line: int) -> dict[str, Any]:
    """The text's values: as YAML reads it, else without the line being typed, else by lines."""
    lines = text.split("\n")
    without = "\n".join([*lines[: line - 1], "", *lines[line:]])
    for one in (text, without):
        try:
            value = yaml_text.parse(one, "").value
        except UserError:
            continue
        if isinstance(value, dict):
            return value
    found: dict[str, Any] = {}
    for entry in entries(text):
        holder: Any = found
        for key in entry.path[:-1]:
            if not isinstance(holder.get(key), dict):
                holder[key] = {}
            holder = holder[key]
        holder[entry.path[-1]] = _value(entry.text)
    return found


def _value(text: str) -> Any:
    try:
        return yaml_text.parse(text, "").value if text and not _BLOCK.match(text) else None
    except UserError:
        return text


def _around(lines: list[str]) -> tuple[list[tuple[int, str]], Entry | None]:
    """The keys around the line after these, with their columns from 0.

    The entry is the last one if its value goes on there: in braces, or deeper as text.
    """
    last: Entry | None = None
    stack: list[tuple[int, str]] = []
    for entry in entries("\n".join(lines)):
        column = entry.column - 1
        stack = [frame for frame in stack if frame[0] < column]
        if len(entry.path) > 1 and entry.path[-2] == "-":
            stack.append((column - 1, "-"))
        stack.append((column, entry.path[-1]))
        last = entry
    if last is None or not last.text or last.text.startswith("#"):
        return stack, None
    is_closed = last.text[:1] in ("{", "[") and not _opened(
        "\n".join([last.text, *lines[last.line :]])
    )
    return stack, None if is_closed else last


def _is_deeper(line: str, at: int, stack: list[tuple[int, str]]) -> bool:
    indent = len(line) - len(line.lstrip()) if line.strip() else at
    return bool(stack) and indent > stack[-1][0]


def _in_flow(path: tuple[str, ...], text: str, start: int, end: int) -> Cursor:
    """The cursor at the end of a text that begins with a brace or bracket."""
    keys, word = list(path), ""
    key: str | None = None
    opened: list[tuple[str, int]] = []
    for sign, is_text in _signs(text):
        if is_text:
            word += sign
        elif sign in "{[":
            if key is not None:
                keys.append(key)
            opened.append((sign, int(key is not None)))
            if sign == "[":
                keys.append("-")
            key, word = None, ""
        elif sign in "}]":
            if opened:
                bracket, pushed = opened.pop()
                drop = pushed + (bracket == "[")
                keys = keys[: len(keys) - drop] if drop else keys
            key, word = None, ""
        elif sign == ",":
            key, word = None, ""
        else:  # a colon
            key, word = _plain(word.strip()), ""
    if opened and opened[-1][0] == "[" and keys and keys[-1] == "-":
        return Cursor(
            tuple(keys[:-2]), keys[-2] if len(keys) > 1 else "", word.lstrip(), start, end
        )
    return Cursor(tuple(keys), key or "", word.lstrip(), start, end)


def _opened(text: str) -> bool:
    depth = 0
    for sign, is_text in _signs(text):
        if not is_text:
            depth += (sign in "{[") - (sign in "}]")
    return depth > 0


def _signs(text: str) -> Iterator[tuple[str, bool]]:
    """The signs of a text in braces: (sign, whether it is part of a word)."""
    quote, at = "", 0
    while at < len(text):
        sign = text[at]
        if quote:
            quote = "" if sign == quote else quote
            yield sign, True
        elif text.startswith("${{", at):
            close = text.find("}}", at)
            piece = text[at:] if close < 0 else text[at : close + 2]
            yield piece, True
            at += len(piece)
            continue
        elif sign in "\"'":
            quote = sign
            yield sign, True
        elif sign == ":" and text[at + 1 : at + 2] in ("", " ", "\n"):
            yield sign, False
        else:
            yield sign, sign not in "{}[],"
        at += 1


_WORD = late_pattern(r"[\w$./@:-]")


def _word(line: str, at: int) -> tuple[int, int]:
    """The columns of the word around a place, from 1; a colon at its end is not part of it."""
    start = end = at
    while start > 0 and _WORD.match(line[start - 1]):
        start -= 1
    while end < len(line) and _WORD.match(line[end]):
        end += 1
    if line[start:end].endswith(":") and end > at:
        end -= 1
    return start + 1, end + 1


def _plain(key: str) -> str:
    return key[1:-1] if key[:1] in ("'", '"') and len(key) > 1 else key.strip()
