"""What a user notices between two versions, out of the changelog that the package ships."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..util import files, versions
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .workspace_template import PACKAGE

NAME = "CHANGELOG.md"
# Of a version, so many entries are shown; of an entry, so many characters.
_MOST, _LONGEST = 12, 110
_VERSION = late_pattern(r"^## (.+)$", re.MULTILINE)
_SECTION = late_pattern(r"^### (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The entries of a version: section -> its entries, each one line.

    Entries above the first section are in one named "".
    """

    version: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]


def text() -> str:
    """The changelog; "" where there is none."""
    beside = PACKAGE.parents[1] / NAME  # the sources
    return files.read_text(PACKAGE / NAME) or files.read_text(beside) or ""


def between(changelog: str, old: str, new: str) -> tuple[ReleaseNotes, ...]:
    """The notes of the versions after `old` up to `new`, the newest first."""
    found = []
    for title, body in _parts(_VERSION, changelog):
        name = title.split()[0].strip("[]v") if title.split() else ""
        is_known = versions.parse(name) is not None
        if is_known and versions.is_newer(name, old) and not versions.is_newer(name, new):
            first, *_ = _SECTION.split(body, maxsplit=1)
            parts = (("", first), *_parts(_SECTION, body))
            sections = tuple((head, tuple(_entries(part))) for head, part in parts)
            found.append(ReleaseNotes(name, tuple(part for part in sections if part[1])))
    return tuple(found)


def folded(notes: ReleaseNotes) -> Iterator[str]:
    """Lines for a terminal: every section, and of its entries the beginning."""
    total = sum(len(entries) for _, entries in notes.sections)
    room = _MOST
    for head, entries in notes.sections:
        shown = entries[: max(1, room * len(entries) // total)] if room > 0 else ()
        room, total = room - len(shown), total - len(entries)
        rest = len(entries) - len(shown)
        if head:
            yield f"{head}:" + (f" {rest} entries" if not shown else "")
        yield from (f"  - {_short(entry)}" for entry in shown)
        if shown and rest:
            yield f"    and {rest} more"


def _parts(heading: re.Pattern[str], document: str) -> Iterator[tuple[str, str]]:
    matches = list(heading.finditer(document))
    ends = [*(match.start() for match in matches), len(document)][1:]
    for match, end in zip(matches, ends, strict=True):
        yield match[1].strip(), document[match.end() : end]


def _entries(body: str) -> Iterator[str]:
    """List items, and rows of tables as "first: second"."""
    for line in body.splitlines():
        if line.startswith(("- ", "* ")):
            yield line[2:].strip()
        elif line.startswith("| ") and not set(line) <= set("|-: "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0] != "before":
                yield ": ".join(cells)


def _short(entry: str) -> str:
    return entry if len(entry) <= _LONGEST else entry[: _LONGEST - 3].rstrip() + "..."
