"""Parses JSON with comments and trailing commas into a tree with the position of each part.

Offsets count characters from the start of the text. The tree is never written back: see
`sync.json_edits`, which changes the text in place.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from .errors import UserError
from .json_values import Json
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

MAX_DEPTH = 128  # far below Python's recursion limit, and far above any editor's file
BOM = "\ufeff"


class ParseError(UserError):
    """The text is not JSON with comments; `line` and `column` count from 1."""

    def __init__(self, what: str, name: str, line: int, column: int) -> None:
        self.line, self.column = line, column
        where = f"{name}:{line}:{column}" if name else f"line {line}, column {column}"
        super().__init__(
            what, where=where, code="not-json", hint="Correct it; the file was not changed"
        )


# Named tuples, not frozen dataclasses: a large file has tens of thousands of nodes, and named tuples
# are created four times as fast.
class Node(NamedTuple):
    """A value, `text[start:end]`.

    `value` is plain Python (the last of duplicate keys counts); `entries` are its members or items;
    `shadowed`: it contains duplicate keys.
    """

    value: Json
    start: int
    end: int
    entries: tuple[JsonMember, ...] = ()
    shadowed: bool = False


class JsonMember(NamedTuple):
    """A member of an object, or an item of an array (then `key` is None and `key_end` -1).

    `start` is the offset of the key or of the item, `comma` that of the comma after it, or -1.
    """

    key: str | None
    start: int
    key_end: int
    node: Node
    comma: int


@dataclass(frozen=True)
class Document:
    """A parsed text.

    `root` is None if the text has only white space and comments. `comments` are (start, end) in
    order; the line break after a line comment is not part of it.
    """

    text: str
    root: Node | None
    comments: tuple[tuple[int, int], ...]

    @property
    def value(self) -> Json:
        return None if self.root is None else self.root.value

    @cached_property
    def eol(self) -> str:
        """The first line ending of the text; LF if it has none."""
        match = re.search("\r\n|\n|\r", self.text)
        return match[0] if match else "\n"

    @cached_property
    def _lines(self) -> list[int]:
        return _line_starts(self.text)

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column), both from 1; a byte order mark takes no column."""
        return _position(self._lines, self.text, offset)

    def comment_spans(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """The comments that begin in `text[start:end]`."""
        low, high = bisect_left(self.comments, (start, 0)), bisect_left(self.comments, (end, 0))
        return self.comments[low:high]

    def comments_in(self, start: int, end: int) -> list[str]:
        return [self.text[a:b] for a, b in self.comment_spans(start, end)]


_TOKEN = late_pattern(
    r"""[ \t\r\n]*(?:
    ("[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*")                   # 1 string
    | ([{}\[\],:])                                             # 2 punctuation
    | (-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)   # 3 number
    | (true|false|null)\b                                      # 4 word
    | (//[^\r\n]*|/\*[\s\S]*?\*/)                              # 5 comment
    | \Z )""",
    re.VERBOSE,
)
_STRINGS = JSONDecoder(strict=False)  # VS Code accepts a raw tab in a string
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}
_VALUE, _KEY, _COLON, _AFTER, _END = "a value", "a key", "a colon", "a comma", "the end of the file"


def parse(text: str, name: str = "") -> Document:
    """Parse a text. `name` is the file's name for errors. Raises ParseError."""
    return _JsoncParser(text, name).run()


class _Frame:
    """An object or array that is not closed yet."""

    __slots__ = ("entries", "is_object", "key", "key_end", "key_start", "last", "shadowed", "start")

    def __init__(self, is_object: bool, start: int) -> None:
        self.is_object, self.start = is_object, start
        self.entries: list[JsonMember] = []
        self.last: Node | None = None  # complete, but its comma is not known yet
        self.key: str | None = None
        self.key_start = self.key_end = -1
        self.shadowed = False

    def settle(self, comma: int) -> None:
        node = self.last
        if node is None:
            return
        start = self.key_start if self.is_object else node.start
        self.entries.append(JsonMember(self.key, start, self.key_end, node, comma))
        self.shadowed = self.shadowed or node.shadowed
        self.last = None

    def close(self, end: int) -> Node:
        self.settle(-1)
        entries = tuple(self.entries)
        if not self.is_object:
            return Node([e.node.value for e in entries], self.start, end, entries, self.shadowed)
        value = {entry.key: entry.node.value for entry in entries}
        return Node(value, self.start, end, entries, self.shadowed or len(value) < len(entries))


class _JsoncParser:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.stack: list[_Frame] = []
        self.root: Node | None = None
        self.comments: list[tuple[int, int]] = []
        self.due = _VALUE

    def run(self) -> Document:
        text, match = self.text, _TOKEN.match
        at = 1 if text.startswith(BOM) else 0
        while True:
            token = match(text, at)
            if token is None:
                raise self._unreadable(at)
            kind, at = token.lastindex, token.end()
            if kind is None:
                return self._finish()
            start = token.start(kind)
            if kind == 5:
                self.comments.append((start, at))
            elif kind == 2:
                self._mark(text[start], start)
            elif kind == 1 and self.due is _KEY:
                self._key(start, at)
            else:
                self._scalar(kind, start, at)

    def _finish(self) -> Document:
        if self.stack:
            frame = self.stack[-1]
            mark = "{" if frame.is_object else "["
            raise self._error(f"this {mark} is never closed", frame.start)
        return Document(self.text, self.root, tuple(self.comments))

    def _key(self, start: int, end: int) -> None:
        frame = self.stack[-1]
        frame.key, frame.key_start, frame.key_end = self._string(start, end), start, end
        self.due = _COLON

    def _scalar(self, kind: int, start: int, end: int) -> None:
        if self.due is not _VALUE:
            raise self._unexpected(start, end)
        if kind == 1:
            value: Json = self._string(start, end)
        elif kind == 3:
            value = self._number(start, end)
        else:
            value = _WORDS[self.text[start:end]]
        self._done(Node(value, start, end))

    def _done(self, node: Node) -> None:
        if self.stack:
            self.stack[-1].last = node
            self.due = _AFTER
        else:
            self.root = node
            self.due = _END

    def _mark(self, mark: str, at: int) -> None:
        due, frame = self.due, self.stack[-1] if self.stack else None
        if mark in "{[" and due is _VALUE:
            if len(self.stack) >= MAX_DEPTH:
                raise self._error(f"more than {MAX_DEPTH} levels of nesting", at)
            self.stack.append(_Frame(mark == "{", at))
            self.due = _KEY if mark == "{" else _VALUE
        elif mark == ":" and due is _COLON:
            self.due = _VALUE
        elif mark == "," and due is _AFTER and frame:
            frame.settle(at)
            self.due = _KEY if frame.is_object else _VALUE
        elif mark in "}]" and frame and frame.is_object is (mark == "}") and self._may_close(frame):
            self.stack.pop()
            self._done(frame.close(at + 1))
        else:
            raise self._unexpected(at, at + 1)

    def _may_close(self, frame: _Frame) -> bool:
        return self.due is _AFTER or self.due is (_KEY if frame.is_object else _VALUE)

    def _string(self, start: int, end: int) -> str:
        inner = self.text[start + 1 : end - 1]
        if "\\" not in inner:
            return inner
        try:
            return str(_STRINGS.decode(self.text[start:end]))
        except JSONDecodeError as error:
            raise self._error("a broken escape in this string", start + error.pos) from None

    def _number(self, start: int, end: int) -> int | float:
        digits = self.text[start:end]
        try:
            number = float(digits) if any(c in digits for c in ".eE") else int(digits)
        except ValueError:
            raise self._error("a number with too many digits", start) from None
        if number in (float("inf"), float("-inf")):
            raise self._error("a number that is too large", start)
        return number

    def _unexpected(self, start: int, end: int) -> ParseError:
        return self._error(f"expected {self.due}, found {_brief(self.text[start:end])}", start)

    def _unreadable(self, at: int) -> ParseError:
        while self.text[at] in " \t\r\n":
            at += 1
        if self.text[at] == '"':
            return self._error("this string is not closed on its line", at)
        if self.text.startswith("/*", at):
            return self._error("this comment is never closed", at)
        found = re.compile(r"[\w.+-]+|.", re.DOTALL).match(self.text, at)
        shown = _brief(found[0] if found else "")
        return self._error(f"expected {self.due}, found {shown}", at)

    def _error(self, what: str, offset: int) -> ParseError:
        line, column = _position(_line_starts(self.text), self.text, offset)
        return ParseError(what, self.name, line, column)


def _brief(token: str) -> str:
    if len(token) == 1 and not token.isprintable():
        return f"the character U+{ord(token):04X}"
    return token if len(token) <= 30 else token[:27] + "..."


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\r\n|\n|\r", text))]


def _position(lines: list[int], text: str, offset: int) -> tuple[int, int]:
    line = bisect_right(lines, offset)
    column = offset - lines[line - 1] + 1
    return line, column - (line == 1 and text.startswith(BOM) and column > 1)
