"""The instructions of a Dockerfile, split as BuildKit's parser splits them.

Source: Dockerfile reference (parser directives, format, here-documents); the cases are compared with
BuildKit's parser (tests/model/dockerfile_corpus.json).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from . import shell_words
from .shell_words import WordError


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its continuation lines and its here-documents.

    `keyword` is in capital letters. `rest` is what follows it, on one line. `line` counts from 1.
    `text` is the instruction as written, with the comments within. `heredocs` are the names of its
    here-documents. `escape` is the Dockerfile's escape character.
    """

    keyword: str
    rest: str
    line: int
    text: str
    heredocs: tuple[str, ...] = ()
    escape: str = "\\"

    @property
    def flags(self) -> tuple[str, ...]:
        """The words before the arguments that begin with `--`, without their quotes."""
        return _flags(self.rest, self.escape)[0]

    @property
    def arguments(self) -> str:
        """What follows the flags."""
        return _flags(self.rest, self.escape)[1]

    @property
    def exec_form(self) -> tuple[str, ...] | None:
        """The strings of a JSON array; None for the shell form."""
        return _array(self.arguments)

    def flag(self, name: str) -> str | None:
        """The value of `--NAME=VALUE`; "" of `--NAME` alone, None without that flag."""
        for flag in self.flags:
            key, _, value = flag.removeprefix("--").partition("=")
            if key == name:
                return value
        return None

    @property
    def trigger(self) -> Instruction | None:
        """The instruction after ONBUILD, which runs in the builds on top of this one."""
        if self.keyword != "ONBUILD" or not self.rest:
            return None
        keyword, rest = _keyword(self.arguments)
        return Instruction(keyword, rest, self.line, self.text, self.heredocs, self.escape)


def parse_instructions(text: str, name: str) -> list[Instruction]:
    """The instructions. Raises UserError for a here-document without an end."""
    return list(_Reader(text, name).instructions())


# As BuildKit has them: the white space before a comment does not matter within an instruction.
_DIRECTIVE = late_pattern(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = ("escape", "syntax", "check")
_WITH_HEREDOCS = ("ADD", "COPY", "RUN")
_HEREDOC = late_pattern(r"\d*<<(?P<tabs>-?)(?P<name>[^<]*)")


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        # A line ends at a line feed alone: a form feed or U+2028 is part of a command.
        lines = text.removeprefix("\ufeff").split("\n")
        self.lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        self.name = name
        self.escape = "\\"
        self.at = 0
        escape = self._escape()
        self.escape = escape
        self.continuation = re.compile(
            rf"(?:(?<=[^{re.escape(escape)}])|^){re.escape(escape)}[ \t]*$"
        )

    def _escape(self) -> str:
        """The escape character: directives count only before anything else."""
        escape = "\\"
        for line in self.lines:
            match = _DIRECTIVE.match(line.strip())
            if match is None or match[1].lower() not in _DIRECTIVES:
                break
            if match[1].lower() == "escape" and match[2] in ("\\", "`"):
                escape = match[2]
        return escape

    def instructions(self) -> Iterator[Instruction]:
        while self.at < len(self.lines):
            first = self.at
            joined = self._line()
            if not joined.strip():
                continue
            keyword, rest = _keyword(joined.strip())
            heredocs = tuple(self._heredocs(keyword, rest, joined, first))
            text = "".join(self.lines[first : self.at])
            text = text if text.endswith("\n") else f"{text}\n"
            yield Instruction(keyword, rest, first + 1, text, heredocs, self.escape)

    def _line(self) -> str:
        """The next line with its continuation lines; "" for a comment."""
        line = self._next()
        if _is_comment(line):
            return ""
        joined, ends = self._trimmed(line.lstrip())
        while not ends and self.at < len(self.lines):
            line = self._next()
            # Comments and empty lines are left out, and the instruction goes on after them.
            if _is_comment(line) or not line.strip():
                continue
            piece, ends = self._trimmed(line)
            joined += piece
        return joined

    def _next(self) -> str:
        self.at += 1
        return self.lines[self.at - 1].rstrip("\r\n")

    def _trimmed(self, line: str) -> tuple[str, bool]:
        """The line without the character that continues it, and whether it ends there."""
        match = self.continuation.search(line)
        return (line[: match.start()], False) if match else (line, True)

    def _heredocs(self, keyword: str, rest: str, joined: str, first: int) -> Iterator[str]:
        if keyword == "ONBUILD":
            keyword, rest = _keyword(_flags(rest, self.escape)[1])
        if keyword not in _WITH_HEREDOCS or "<<" not in joined:
            return
        if _array(_flags(rest, self.escape)[1]) is not None:
            return
        for name, tabs in _heredocs_in(joined):
            yield name
            while self.at < len(self.lines):
                line = self._next()
                if (line.lstrip("\t") if tabs else line) == name:
                    break
            else:
                raise UserError(
                    f"the here-document <<{name} has no end: no line is {name} alone",
                    code="dockerfile-invalid",
                    where=Position(self.name, first + 1, 1),
                    hint=f"Write {name} on a line of its own after its text",
                )


def _heredocs_in(line: str) -> Iterator[tuple[str, bool]]:
    """Each here-document's name, and whether its lines may begin with tabs.

    It is a word of its own: `<<< text`, `$((1 << 2))` and `"<<EOF"` are none.
    """
    try:
        words = shell_words.raw_words(line)
    except WordError:
        return
    for word in words:
        if (match := _HEREDOC.fullmatch(word)) is None or not match["name"]:
            continue
        try:
            names = shell_words.split(match["name"])
        except WordError:
            continue
        if len(names) == 1:
            yield names[0], bool(match["tabs"])


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _keyword(line: str) -> tuple[str, str]:
    keyword, *rest = re.split(r"[\t\v\f\r ]+", line, maxsplit=1)
    return keyword.upper(), rest[0].strip() if rest else ""


def _flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The flags, and what follows them. `--` alone ends the flags."""
    flags: list[str] = []
    at = 0
    while True:
        while at < len(rest) and rest[at].isspace():
            at += 1
        if not rest.startswith("--", at):
            return tuple(flags), rest[at:].strip()
        flag, at = _flag(rest, at, escape)
        if flag == "--":
            return tuple(flags), rest[at:].strip()
        flags.append(flag)


def _flag(rest: str, at: int, escape: str) -> tuple[str, int]:
    flag, quote = "", ""
    while at < len(rest):
        character = rest[at]
        at += 1
        if character == escape and at < len(rest):
            flag += rest[at]
            at += 1
        elif quote:
            quote = "" if character == quote else quote
            flag += "" if not quote else character
        elif character in "\"'":
            quote = character
        elif character.isspace():
            break
        else:
            flag += character
    return flag, at


def _array(text: str) -> tuple[str, ...] | None:
    """As BuildKit reads it: what follows the array does not count."""
    if not text.startswith("["):
        return None
    try:
        values, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return tuple(values)
