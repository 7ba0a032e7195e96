"""Records of the tool as JSON, read as a stranger's.

A record may have come with the workspace, may be of an older or a newer version, and may have been
edited. It is read key by key with the type that the key has; anything else is a `RecordError` that
says where and why.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NoReturn

from . import jsonc, regular_files
from .errors import UserError
from .json_values import Json
from .late_patterns import late_pattern
from .position import Position
from .printable import is_unicode
from .quick_dataclasses import dataclass

# Nested deeper than any record of ours.
MAX_DEPTH = 60
# Integers beyond are no counts, ports or process IDs, and overflow as floats.
LARGEST_INTEGER = 2**63 - 1

# Names that Windows allows for no file, whatever comes after a dot.
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in "123456789")}
)

# An integer with more digits is read as a float: Python refuses those of some thousands.
MOST_DIGITS = 300
_MANY_DIGITS = late_pattern("[0-9]{19}")
# A string of JSON, or what programs write for a value that is no number.
_NO_NUMBER = late_pattern(
    r'"(?:[^"\\]|\\[\s\S]?)*(?:"|\Z)|[-+]?\b(?:nan|inf(?:inity)?)\b', re.IGNORECASE
)
_REQUIRED: Any = object()


class RecordError(ValueError):
    """A record is not what it should be. `line` counts from 1, 0 for the whole file."""

    def __init__(self, what: str, line: int = 0) -> None:
        self.what, self.line = what, line
        super().__init__(f"line {line}: {what}" if line else what)

    def position(self, path: str) -> Position:
        """The position of what is wrong in the file `path`."""
        return Position(path, self.line)


def parse(text: str) -> Json:
    """The value of strict JSON.

    Raises RecordError for what is not JSON (NaN and infinities as well), is nested too deeply, has
    a key twice, an integer beyond 64 bits, or text that is not Unicode.
    """
    try:
        value = json.loads(
            text, parse_constant=_constant, parse_float=_float, object_pairs_hook=_object
        )
    except RecordError:
        raise
    except json.JSONDecodeError as error:
        raise RecordError(f"it is not JSON: {error.msg}", error.lineno) from error
    except ValueError as error:
        raise RecordError("it has a number with too many digits") from error
    except RecursionError as error:
        raise RecordError("it is nested too deeply") from error
    if not _is_simple(text):
        _check(value)
    return value


def _is_simple(text: str) -> bool:
    """Whether nothing that `_check` refuses can be in the text: true of nearly every record."""
    is_flat = text.count("{") + text.count("[") <= MAX_DEPTH
    return is_flat and "\\u" not in text and not _MANY_DIGITS.search(text) and is_unicode(text)


def lenient(text: str) -> Json:
    """The value of a program's own JSON, such as its metrics: NaN and infinities are floats.

    That is so for `nan` and `inf` as well, which a program writes that formats its numbers itself, and
    for integers with too many digits. None for what is not JSON at all.
    """
    for words in (text, _NO_NUMBER.sub(_json_word, text)):
        try:
            return json.loads(words, parse_int=_integer)
        except (ValueError, RecursionError):
            continue
    return None


def _json_word(match: re.Match[str]) -> str:
    """A word for a value that is no number, as Python's JSON has it. A string stays as it is."""
    word = match[0].lower()
    if word.startswith('"'):
        return match[0]
    if "nan" in word:
        return "NaN"
    return "-Infinity" if word.startswith("-") else "Infinity"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < MOST_DIGITS else float(digits)


def unicode_text(text: str) -> str:
    """The text with a question mark for each lone surrogate, which no file can hold."""
    return text if is_unicode(text) else text.encode("utf-8", "replace").decode()


def _constant(word: str) -> NoReturn:
    raise RecordError(f"it has {word}, which is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise RecordError(f"it has the number {digits[:20]}, which is too large")
    return number


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RecordError(f'it has the key "{twice}" twice')
    return value


def _check(value: Json) -> None:
    todo: list[tuple[Json, int]] = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, (dict, list)):
            if depth > MAX_DEPTH:
                raise RecordError("it is nested too deeply")
            todo += [(below, depth + 1) for below in _parts(item)]
        elif isinstance(item, str):
            if not is_unicode(item):
                raise RecordError("it has text that is not Unicode (a lone surrogate)")
        elif isinstance(item, int) and abs(item) > LARGEST_INTEGER:
            raise RecordError("it has an integer beyond 64 bits")


def _parts(item: Json) -> Iterator[Json]:
    if isinstance(item, dict):
        yield from item.keys()
        yield from item.values()
    else:
        yield from item


@dataclass(frozen=True, slots=True)
class Record:
    """The members of a JSON object, by key and type.

    Each reader gives the default where the key is missing or null, and raises RecordError for a
    value of another type, or for a missing one without a default.
    """

    value: Mapping[str, Json]
    text: str = field(default="", repr=False)
    at: tuple[str | int, ...] = ()

    def as_str(self, key: str, default: Any = _REQUIRED) -> Any:
        return self._get(key, default, lambda value: isinstance(value, str), "text")

    def as_name(self, key: str, default: Any = _REQUIRED) -> Any:
        """Text that may be one part of a path on every system."""
        name = self.as_str(key, default)
        if key in self.value and isinstance(name, str) and not is_file_name(name):
            self.fail(key, "cannot be a file's name")
        return name

    def as_bool(self, key: str, default: Any = _REQUIRED) -> Any:
        return self._get(key, default, lambda value: isinstance(value, bool), "true or false")

    def as_int(self, key: str, default: Any = _REQUIRED) -> Any:
        return self._get(key, default, _is_int, "an integer")

    def as_number(self, key: str, default: Any = _REQUIRED) -> Any:
        return self._get(key, default, is_number, "a number")

    def as_mapping(self, key: str, default: Any = _REQUIRED) -> Any:
        return self._get(key, default, lambda value: isinstance(value, dict), "an object")

    def as_record(self, key: str, default: Any = _REQUIRED) -> Any:
        value = self.as_mapping(key, default)
        return Record(value, self.text, (*self.at, key)) if isinstance(value, dict) else value

    def as_list_of(self, key: str, kind: type, default: Any = _REQUIRED) -> Any:
        """A list of `kind`: str, int, float (any number) or dict, or object for any scalar."""
        values = self._get(key, default, lambda value: isinstance(value, list), "a list")
        if isinstance(values, list):
            if not all(_is_of(item, kind) for item in values):
                self.fail(key, f"is not a list of {_PLURALS[kind]}")
            return tuple(values)
        return values

    def as_map_of(self, key: str, kind: type, default: Any = _REQUIRED) -> Any:
        """An object whose values are all of `kind`, as for `as_list_of`."""
        values = self.as_mapping(key, default)
        if isinstance(values, dict) and not all(_is_of(item, kind) for item in values.values()):
            self.fail(key, f"has values that are not {_PLURALS[kind]}")
        return values

    def fail(self, key: str, what: str) -> NoReturn:
        """Raise the error of a key, with its line."""
        path = (*self.at, key)
        name = ".".join(map(str, path))
        raise RecordError(f"{name} {what}", _line_of(self.text, path))

    def _get(self, key: str, default: Any, fits: Any, kind: str) -> Any:
        value = self.value.get(key)
        if value is None:
            if default is _REQUIRED:
                self.fail(key, "is null" if key in self.value else "is missing")
            return default
        if not fits(value):
            self.fail(key, f"is not {kind}")
        return value


_PLURALS = {
    str: "texts",
    int: "integers",
    float: "numbers",
    dict: "objects",
    object: "texts, numbers, true or false",
}


def _is_of(value: Json, kind: type) -> bool:
    if kind is int:
        return _is_int(value)
    if kind is float:
        return is_number(value)
    if kind is object:
        return value is None or isinstance(value, (str, int, float))
    return isinstance(value, kind)


def _is_int(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a number that a float can hold: not true, NaN, an infinity or beyond 1e308."""
    if type(value) is float or type(value) is int:
        return -1.7e308 <= value <= 1.7e308
    return False


def is_file_name(name: str) -> bool:
    """Whether a name from a record can be one part of a path, on every system."""
    return (
        0 < len(name) <= 240
        and name.isprintable()
        and not any(letter in '/\\:*?"<>|' for letter in name)
        and name.strip(" ") == name
        and not name.endswith(".")
        and name.partition(".")[0].lower() not in WINDOWS_DEVICES
    )


def is_path_inside(path: str) -> bool:
    """Whether a path from a record is relative, with "/", and stays below the folder it starts in."""
    return all(map(is_file_name, path.split("/")))


def _line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line of the key that a path leads to, or of the nearest key around it; 0 if unknown."""
    try:
        document = jsonc.parse(text)
    except UserError:
        return 0
    node, line = document.root, 1 if document.root is not None else 0
    for key in path:
        entry = next((e for e in reversed(node.entries) if e.key == key), None) if node else None
        if entry is None:
            return line
        line, node = document.position(entry.start)[0], entry.node
    return line


def read_object(text: str) -> Record:
    """The record of a text. Raises RecordError if it is not a JSON object."""
    value = parse(text)
    if not isinstance(value, dict):
        raise RecordError("it is not a JSON object", 1)
    return Record(value, text)


def read_file(path: Path, largest: int = regular_files.LARGEST_RECORD) -> Record | None:
    """The record in a file; None if there is no such file.

    Raises RecordError if it cannot be read for any reason. A link is not followed.
    """
    try:
        return read_object(regular_files.read_bytes(path, largest, follow=False).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise RecordError("it is not UTF-8") from error
    except UserError as error:
        raise RecordError(error.what) from error
    except OSError as error:
        raise RecordError(f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
