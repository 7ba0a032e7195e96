"""A value of a Dockerfile as a text for `sh`, which replaces the same variables. Pure.

Source: Dockerfile reference, "Environment replacement"; POSIX, Shell Command Language, 2.6.2.
"""

from __future__ import annotations

import re

from ...util.late_patterns import late_pattern
from .shell_words import WordError

_NAME = late_pattern(r"[^\W\d]\w*")
_SPECIAL = late_pattern(r"\d+|[@*#?\-$!]", re.ASCII)
# `${NAME:-word}` and its kind, and the patterns that a plain sh has too.
_MODIFIER = late_pattern(r":[-+?]|[-+?]|##?|%%?")
# In a pattern only these mean the same to both, without an escape.
_PATTERN = late_pattern(r"[\w./:*?,=@ -]*", re.ASCII)


def shell_text(value: str, escape: str = "\\") -> str:
    """One word in double quotes for `sh`. Raises WordError for what no plain sh can replace.

    The quotes of the Dockerfile are gone, and white space in a variable separates no words.
    """
    return f'"{_ShellWriter(value, escape).all()}"'


def quoted(text: str) -> str:
    """A text within double quotes of `sh`, without its meaning there."""
    return re.sub(r'[\\"$`]', r"\\\g<0>", text)


class _ShellWriter:
    """One pass over a value. What it writes stands within double quotes."""

    def __init__(self, text: str, escape: str) -> None:
        self.text = text
        self.escape = escape
        self.at = 0

    def all(self) -> str:
        return self._until("")

    def _until(self, end: str) -> str:
        """Up to the character `end`, which is skipped; "" for the end of the text."""
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == end:
                self.at += 1
                return "".join(pieces)
            pieces.append(self._piece(in_braces=end == "}"))
        if end:
            raise WordError(f"a substitution is not closed by {end}")
        return "".join(pieces)

    def _piece(self, *, in_braces: bool) -> str:
        character = self.text[self.at]
        if character == "'":
            close = self.text.find("'", self.at + 1)
            if close < 0:
                raise WordError("a single quote is not closed")
            inner, self.at = self.text[self.at + 1 : close], close + 1
            return self._literal(inner, in_braces)
        if character == '"':
            return self._double_quoted(in_braces)
        if character == "$":
            return self._variable()
        self.at += 1
        if character != self.escape:
            return self._literal(character, in_braces)
        following = self.text[self.at : self.at + 1]
        self.at += 1
        return self._literal(following, in_braces)

    def _literal(self, text: str, in_braces: bool) -> str:
        if in_braces and re.search(r"[}\"'\\]", text):
            raise WordError("a quote, a backslash or a brace within ${...}")
        return quoted(text)

    def _double_quoted(self, in_braces: bool) -> str:
        self.at += 1
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(pieces)
            if character == "$":
                pieces.append(self._variable())
                continue
            self.at += 1
            if character == self.escape and self.at < len(self.text):
                following = self.text[self.at]
                self.at += 1
                keeps = following not in ('"', "$", self.escape)
                character = character + following if keeps else following
            pieces.append(self._literal(character, in_braces))
        raise WordError("a double quote is not closed")

    def _name(self) -> re.Match[str] | None:
        """The name of a variable here. WordError for one that no shell has (`$é`)."""
        match = _NAME.match(self.text, self.at)
        if match is not None and not match[0].isascii():
            raise WordError(f"a variable {match[0]}, which no shell has")
        return match

    def _variable(self) -> str:
        self.at += 1
        if self.text[self.at : self.at + 1] != "{":
            match = self._name()
            if match is None:
                # Variables of a shell, which a Dockerfile does not have: `$1`, `$$`.
                special = _SPECIAL.match(self.text, self.at)
                self.at += 0 if special is None else len(special[0])
                return quoted("$") if special is None else ""
            self.at = match.end()
            return f"${{{match[0]}}}"
        self.at += 1
        match = self._name()
        if match is None:
            raise WordError("bad substitution")
        name, self.at = match[0], match.end()
        if self.text[self.at : self.at + 1] == "}":
            self.at += 1
            return f"${{{name}}}"
        modifier = _MODIFIER.match(self.text, self.at)
        if modifier is None:
            raise WordError("a substitution that no plain sh has")
        self.at = modifier.end()
        if modifier[0][0] not in "#%":
            return f"${{{name}{modifier[0]}{self._until('}')}}}"
        close = self.text.find("}", self.at)
        pattern = self.text[self.at : close]
        if close < 0 or not _PATTERN.fullmatch(pattern):
            raise WordError("a pattern that no plain sh has")
        self.at = close + 1
        return f"${{{name}{modifier[0]}{pattern}}}"
