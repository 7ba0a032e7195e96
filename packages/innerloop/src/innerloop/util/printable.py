r"""Text from files, made safe to print.

Control characters move a terminal's cursor, change its title or its clipboard; characters that
turn the direction of writing make a text look like another one. They are shown as escapes
(`\x1b`), whatever they come from: a name, a metric, a message that quotes a file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from .late_patterns import late_pattern

# Control characters, lone surrogates, characters without width, marks and overrides of direction,
# other line ends, and tags. The two joiners (U+200C, U+200D) stay: languages need them.
_OTHERS = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_TEXT = late_pattern(rf"[{_OTHERS}]|\r(?!\n)")
_IN_LINE = late_pattern(f"[{_OTHERS}\t\n\r]")
_SURROGATES = late_pattern("[\ud800-\udfff]")
_IN_JSON = late_pattern(f"[{_OTHERS}\r]")


def printable(text: str) -> str:
    """The text with everything that acts on a terminal as escapes; tabs and line feeds stay.

    A carriage return stays where it ends a line.
    """
    return text if text.isprintable() else _IN_TEXT.sub(_escaped, text)


def one_line(text: str) -> str:
    """`printable` for a name or a value within a line: tabs and line feeds are escapes too."""
    return text if text.isprintable() else _IN_LINE.sub(_escaped, text)


def json_text(text: str) -> str:
    """JSON with everything that acts on a terminal as JSON's own escapes: the value is the same."""
    return text if text.isprintable() else _IN_JSON.sub(_escaped_in_json, text)


def is_unicode(text: str) -> bool:
    """Whether a file can hold the text: it has no lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_unicode(text: str) -> str:
    r"""The text that a file or JSON can hold: a byte that is not UTF-8 is written `\xe9`.

    Such bytes are in names of files, and are lone surrogates in Python's text.
    """
    return _SURROGATES.sub(_escaped, text)


def unicode_tree(value: Any) -> Any:
    """A value of JSON whose texts are `as_unicode`."""
    if isinstance(value, str):
        return as_unicode(value)
    if isinstance(value, dict):
        return {unicode_tree(key): unicode_tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unicode_tree(item) for item in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    r"""`\x1b`, `\u202e` or `\n`, as Python writes it; `\xe9` for a byte that is not UTF-8."""
    if "\udc80" <= match[0] <= "\udcff":
        return f"\\x{ord(match[0]) - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def _escaped_in_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


class PrintableStream:
    """A text stream on which everything is made `printable`.

    What its encoding lacks is shown as an escape too. Bytes written to its `buffer` are unchanged.
    """

    def __init__(self, stream: TextIO) -> None:
        self.raw_stream = stream

    def write(self, text: str) -> int:
        text_ = printable(text)
        encoding = self.raw_stream.encoding or "utf-8"
        if not text_.isascii() and encoding.lower() not in ("utf-8", "utf8"):
            text_ = text_.encode(encoding, "backslashreplace").decode(encoding)
        self.raw_stream.write(text_)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw_stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Within, stdout and stderr of this process print nothing that acts on a terminal.

    What programs print themselves is not concerned.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, PrintableStream) else cast(TextIO, PrintableStream(stream))
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw(stream: TextIO) -> TextIO:
    """The stream below, for colours and live lines of our own and for the output of programs."""
    return stream.raw_stream if isinstance(stream, PrintableStream) else stream
