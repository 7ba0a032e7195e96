"""Words and variables in a Dockerfile's instruction, as BuildKit's lexer splits and replaces them.

Source: Dockerfile reference, "Environment replacement" and "Here-documents"; the cases are compared
with BuildKit's parser (tests/model/dockerfile_corpus.json).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from ...util.quick_dataclasses import dataclass

# How deep `${A:-${B:-...}}` may be nested.
_DEEPEST = 50


class WordError(ValueError):
    """A text that has no words: a quote is not closed, or a substitution is not supported."""


def split(text: str, variables: Mapping[str, str] | None = None, escape: str = "\\") -> list[str]:
    """The words without their quotes, with the variables replaced. Raises WordError.

    A variable that is not among `variables` is empty; without `variables` each stays as written.
    """
    return _Lexer(text, variables, escape).words()


def raw_words(text: str) -> list[str]:
    """The words as written, with quotes and escapes. Raises WordError."""
    return _Lexer(text, None, "\\", raw=True).words()


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The text as one word: without quotes, with the variables replaced. Raises WordError."""
    return _Lexer(text, variables, escape).word()


@dataclass
class _Lexer:
    """One pass over a text. `raw` keeps quotes and escapes, `raw_escapes` the latter."""

    text: str
    variables: Mapping[str, str] | None
    escape: str
    raw: bool = False
    raw_escapes: bool = False
    at: int = 0
    depth: int = 0
    _done: list[str] = field(default_factory=list)
    _word: str | None = None

    def words(self) -> list[str]:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self._end_word()
                self.at += 1
            else:
                piece, splits = self._piece()
                self._add(piece, splits)
        self._end_word()
        return self._done

    def word(self) -> str:
        pieces: list[str] = []
        while self.at < len(self.text):
            pieces.append(self._piece()[0])
        return "".join(pieces)

    def _end_word(self) -> None:
        if self._word is not None:
            self._done.append(self._word)
        self._word = None

    def _add(self, piece: str, splits: bool) -> None:
        """`splits`: white space in the piece separates words, as in an unquoted variable."""
        if not splits:
            self._word = (self._word or "") + piece
            return
        for part in re.findall(r"\s+|\S+", piece):
            if part.isspace():
                self._end_word()
            else:
                self._word = (self._word or "") + part

    def _piece(self) -> tuple[str, bool]:
        """What the next characters stand for, and whether white space in it separates words."""
        character = self.text[self.at]
        if character == "'":
            return self._single_quoted(), False
        if character == '"':
            return self._double_quoted(), False
        if character == "$":
            return self._dollar(), True
        self.at += 1
        if character != self.escape:
            return character, False
        if self.at == len(self.text):
            return (character if self.raw else ""), True
        self.at += 1
        following = self.text[self.at - 1]
        keeps = self.raw or self.raw_escapes
        return (character + following if keeps else following), False

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise WordError("a single quote is not closed")
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inner}'" if self.raw else inner

    def _double_quoted(self) -> str:
        self.at += 1
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                inner = "".join(pieces)
                return f'"{inner}"' if self.raw else inner
            if character == "$":
                pieces.append(self._dollar())
                continue
            self.at += 1
            if character == self.escape and self.at < len(self.text):
                following = self.text[self.at]
                # Other characters keep the escape before them, as in a shell.
                if self.raw or self.raw_escapes or following not in ('"', "$", self.escape):
                    pieces.append(character)
                pieces.append(following)
                self.at += 1
            elif character != self.escape:
                pieces.append(character)
        raise WordError("a double quote is not closed")

    def _dollar(self) -> str:
        start = self.at
        self.at += 1
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            return self._value(name, self.text[start : self.at]) if name else "$"
        self.at += 1
        if self.text[self.at : self.at + 1] in ("}", ":", ""):
            raise WordError("bad substitution")
        name = self._name()
        if self.text[self.at : self.at + 1] == "}":
            self.at += 1
            return self._value(name, self.text[start : self.at])
        return self._modified(name, start)

    def _name(self) -> str:
        rest = self.text[self.at :]
        match = re.match(r"\d+|[@*#?\-$!0]|\w+", rest)
        name = match[0] if match else ""
        self.at += len(name)
        return name

    def _value(self, name: str, written: str) -> str:
        return written if self.variables is None else self.variables.get(name, "")

    def _modified(self, name: str, start: int) -> str:
        """`${NAME:-word}` and the other forms of a value with a condition or a pattern."""
        match = re.match(r":.|[-+?]|##?|%%?|//?", self.text[self.at :], re.DOTALL)
        if match is None:
            raise WordError("unsupported modifier in a substitution")
        modifier = match[0]
        self.at += len(modifier)
        if modifier[0] in "#%/":
            return self._by_pattern(name, modifier, start)
        word = self._until("}")
        written = self.text[start : self.at]
        if self.variables is None:
            return written
        if modifier[-1] not in "-+?":
            raise WordError("unsupported modifier in a substitution")
        value = self.variables.get(name)
        is_set = bool(value) if modifier[0] == ":" else value is not None
        if modifier[-1] == "+":
            return word if is_set else ""
        if is_set:
            return value or ""
        if modifier[-1] == "?":
            raise WordError(f"{name} is not set")
        return word

    def _until(self, end: str, *, raw_escapes: bool | None = None) -> str:
        """The word up to a character, which is skipped; `raw_escapes` is for this word."""
        pieces: list[str] = []
        before = self.raw_escapes
        self.raw_escapes = before if raw_escapes is None else raw_escapes
        self.depth += 1
        if self.depth > _DEEPEST:
            raise WordError("substitutions are nested too deeply")
        while self.at < len(self.text):
            if self.text[self.at] == end:
                self.at += 1
                self.depth -= 1
                self.raw_escapes = before
                return "".join(pieces)
            pieces.append(self._piece()[0])
        raise WordError(f"a substitution is not closed by {end}")

    def _by_pattern(self, name: str, modifier: str, start: int) -> str:
        # An escape in a pattern takes the meaning of its next character, and stays in a replacement.
        pattern = self._until("/" if modifier[0] == "/" else "}", raw_escapes=True)
        replacement = self._until("}", raw_escapes=True) if modifier[0] == "/" else ""
        if self.variables is None:
            return self.text[start : self.at]
        if not re.fullmatch(r"(?:[^\\]|\\[*?\\/}])*", pattern, re.DOTALL):
            raise WordError("a pattern has an escape of a character that needs none")
        value = self.variables.get(name, "")
        if modifier[0] == "/":
            return _replaced(_glob(pattern, ""), replacement, value, every=modifier == "//")
        greedy = "" if len(modifier) == 2 else "?"
        if modifier[0] == "#":
            match = re.match(_glob(pattern, greedy), value, re.DOTALL)
            return value[match.end() :] if match else value
        # The shortest suffix that matches begins last.
        starts = range(len(value) + 1) if not greedy else range(len(value), -1, -1)
        compiled = re.compile(_glob(pattern, ""), re.DOTALL)
        at = next((at for at in starts if compiled.fullmatch(value, at)), len(value))
        return value[:at]


def _replaced(pattern: str, replacement: str, value: str, *, every: bool) -> str:
    """The value with the first match replaced, or each: none that is empty right after another."""
    pieces: list[str] = []
    end, is_first = 0, True
    for match in re.finditer(pattern, value, re.DOTALL):
        if match.start() == match.end() == end and not is_first:
            continue
        pieces += [value[end : match.start()], replacement]
        end, is_first = match.end(), False
        if not every:
            break
    return "".join([*pieces, value[end:]])


def _glob(pattern: str, greedy: str) -> str:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    special = {"*": f".*{greedy}", "?": "."}
    return "".join(special.get(part) or re.escape(part[-1]) for part in parts)
