"""The merge of a file that is written whole (YAML): ours as long as it is what was last rendered,
the person's from their first edit on.

A file counts as unchanged whatever its line endings are and whether it begins with a byte order
mark: git and editors change those. What is written anew keeps them.
"""

from __future__ import annotations

from ..util.errors import UserError
from ..util.json_values import ABSENT
from .conflicts import Conflict, Kept, Merged

_BOM = "\ufeff"
WHOLE_FILE = ()


def merge(found: str | None, last: str | None, wanted: str | None) -> Merged:
    """As `three_way.merge`, on texts with "\n" at their lines' ends. A file that a person has
    changed stays theirs; it is a clash when what is wanted has changed as well."""
    if found is None:
        return Merged(wanted if last is None else None, last=wanted)
    plain = _plain(found)
    if wanted is not None and plain == wanted:
        return Merged(found, last=wanted)
    if last is not None and is_as_rendered(found, last):
        return Merged(None if wanted is None else _as(found, wanted), last=wanted)
    if wanted is None:
        line = _first_difference(plain, last or "")
        return Merged(found, kept=(Kept(WHOLE_FILE, line, 1, what="what you changed"),))
    if last == wanted:
        return Merged(found, last=last)
    line = _first_difference(plain, wanted if last is None else last)
    clash = Conflict(WHOLE_FILE, line, 1, found, wanted, ABSENT if last is None else last)
    return Merged(found, clashes=(clash,), last=last)


def is_as_rendered(found: str, last: str) -> bool:
    return _plain(found) == last


def take(found: str, last: str | None, wanted: str | None, name: str = "") -> Merged:
    """Settles a clash: what is rendered takes the place of the person's file."""
    _require_clash(found, last, wanted, name)
    return Merged(None if wanted is None else _as(found, wanted), last=wanted)


def keep(found: str, last: str | None, wanted: str | None, name: str = "") -> Merged:
    """Settles a clash: the person's stays, until what is wanted changes again."""
    _require_clash(found, last, wanted, name)
    return Merged(found, last=wanted)


def _require_clash(found: str, last: str | None, wanted: str | None, name: str) -> None:
    if not merge(found, last, wanted).clashes:
        raise UserError("there is no clash in this file", where=name)


def _plain(text: str) -> str:
    return text.removeprefix(_BOM).replace("\r\n", "\n")


def _as(found: str, text: str) -> str:
    """The text with the line endings and the mark of the file that it replaces."""
    if found.count("\r\n") * 2 > found.count("\n"):
        text = text.replace("\n", "\r\n")
    return _BOM + text if found.startswith(_BOM) else text


def _first_difference(found: str, other: str) -> int:
    """The first line, from 1, that is not the same."""
    mine, theirs = found.removesuffix("\n").split("\n"), other.removesuffix("\n").split("\n")
    for number, (one, two) in enumerate(zip(mine, theirs, strict=False), start=1):
        if one != two:
            return number
    return max(1, min(len(mine), len(theirs) + 1))
