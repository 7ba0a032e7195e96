"""Adding and removing entries of one object or array, in the layout of the file.

Comments are the person's: those in and around a removed entry stay.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from ..util.json_values import Json, scalar_text
from ..util.jsonc import Document, JsonMember, Node
from ..util.quick_dataclasses import dataclass
from .json_layout import Style, colon_of, indent_at, layout, starts_line, style_of


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` replaces `length` characters at `offset`."""

    offset: int
    length: int
    text: str


class NewEntry(NamedTuple):
    """An entry to add: `gap` is the number of existing entries before it.

    `key` is None in an array.
    """

    gap: int
    key: str | None
    value: Json


@dataclass(frozen=True)
class StyledDocument:
    """A parsed text and its layout style."""

    parsed: Document

    @property
    def text(self) -> str:
        return self.parsed.text

    @cached_property
    def style(self) -> Style:
        return style_of(self.parsed)


def reshape(
    document: StyledDocument, node: Node, gone: Set[int], new: Sequence[NewEntry]
) -> list[Edit]:
    """Edits that remove the entries `gone` from an object or array, and add new ones."""
    if not gone and not new:
        return []
    if not node.entries:
        return _fill(document, node, new)
    kept = [index for index in range(len(node.entries)) if index not in gone]
    inside = (node.start + 1, node.end - 1)
    if not kept and not new and not document.parsed.comments_in(*inside):
        return [Edit(inside[0], inside[1] - inside[0], "")]
    new = _behind_kept(new, gone)
    edits = _commas(node, kept, new)
    edits += _insertions(document, node, kept, new)
    first_kept = kept[0] if kept else len(node.entries)
    for index in sorted(gone):
        edits += _removal(document, node, index, index > first_kept)
    return edits


def _behind_kept(new: Sequence[NewEntry], gone: Set[int]) -> list[NewEntry]:
    """The same places, counted in entries that stay."""
    moved = []
    for entry in new:
        gap = entry.gap
        while gap and gap - 1 in gone:
            gap -= 1
        moved.append(entry._replace(gap=gap))
    return sorted(moved, key=lambda entry: entry.gap)


def _commas(node: Node, kept: list[int], new: list[NewEntry]) -> list[Edit]:
    """Edits of the commas of entries that stay; a style with trailing commas is kept."""
    if not kept or node.entries[-1].comma >= 0:
        return []
    last = node.entries[kept[-1]]
    followed = bool(new) and new[-1].gap > kept[-1]
    if followed and last.comma < 0:
        return [Edit(last.node.end, 0, ",")]
    if not followed and last.comma >= 0:
        return [Edit(last.comma, 1, "")]
    return []


def _insertions(
    document: StyledDocument, node: Node, kept: list[int], new: list[NewEntry]
) -> list[Edit]:
    trailing = node.entries[-1].comma >= 0
    last_kept = kept[-1] if kept else -1
    rows = [index for index, e in enumerate(node.entries) if starts_line(document.text, e.start)]
    edits = []
    for number, entry in enumerate(new):
        is_last = number == len(new) - 1 and entry.gap > last_kept
        comma = "," if trailing or not is_last else ""
        if rows:
            edits.append(_new_row(document, node, entry, comma, rows))
        else:
            edits.append(_new_inline(document, node, entry, comma, bool(kept)))
    return edits


def _new_row(
    document: StyledDocument, node: Node, new: NewEntry, comma: str, rows: list[int]
) -> Edit:
    text = document.text
    near = max(0, new.gap - 1)
    model = near if starts_line(text, node.entries[near].start) else rows[0]
    indent = indent_at(text, node.entries[model].start)
    outer = indent_at(text, node.start)
    nested = indent[len(outer) :] if indent.startswith(outer) else ""
    style = replace(
        _like(document, node, node.entries[near]),
        unit=nested or document.style.unit,
        trailing=node.entries[-1].comma >= 0,
    )
    return Edit(
        _row_end(document, node, new.gap),
        0,
        style.eol + indent + _entry(new, style, indent) + comma,
    )


def _like(document: StyledDocument, node: Node, sibling: JsonMember) -> Style:
    """The style for a new entry: on one line if the sibling is an object on one line."""
    colon = colon_of(document.text, node) or document.style.colon
    like, text = sibling.node, document.text[sibling.node.start : sibling.node.end]
    if not isinstance(like.value, dict) or not like.entries or "\n" in text or "\r" in text:
        return replace(document.style, colon=colon)
    pad = " " if text[1] in " \t" else ""
    return replace(document.style, colon=colon, inline=True, pad=pad)


def _row_end(document: StyledDocument, node: Node, gap: int) -> int:
    """The offset where a new line can begin after an entry (or the opening bracket).

    It is after the entry's comma and after the comments that end its line.
    """
    text = document.text
    after = _after(node, gap)
    at = after
    while True:
        while at < len(text) and text[at] in " \t":
            at += 1
        if at >= len(text) or text[at] in "\r\n":
            return after
        end = _comment_end(document.parsed, at)
        if end is None or "\n" in text[at:end]:
            return _after(node, gap)
        at = after = end


def _after(node: Node, gap: int) -> int:
    if gap == 0:
        return node.start + 1
    entry = node.entries[gap - 1]
    return entry.comma + 1 if entry.comma >= 0 else entry.node.end


def _comment_end(document: Document, offset: int) -> int | None:
    spans = document.comment_spans(offset, offset + 1)
    return spans[0][1] if spans else None


def _new_inline(
    document: StyledDocument, node: Node, new: NewEntry, comma: str, some_kept: bool
) -> Edit:
    text, entries = document.text, node.entries
    lead = _blank(text[node.start + 1 : entries[0].start], "")
    gap = " "
    if entries[0].comma >= 0 and len(entries) > 1:
        gap = _blank(text[entries[0].comma + 1 : entries[1].start], " ")
    style = _like(document, node, entries[max(0, new.gap - 1)])
    if "\n" not in text[node.start : node.end]:
        style = replace(style, inline=True, gap=gap)
    body = _entry(new, style, indent_at(text, node.start)) + comma
    if new.gap:
        return Edit(_after(node, new.gap), 0, gap + body)
    return Edit(node.start + 1, 0, lead + body + (gap if some_kept and not lead else ""))


def _blank(text: str, otherwise: str) -> str:
    return text if not text.strip(" \t") else otherwise


def _entry(new: NewEntry, style: Style, indent: str) -> str:
    head = "" if new.key is None else scalar_text(new.key) + style.colon
    return head + layout(new.value, style, indent, len(head))


def _fill(document: StyledDocument, node: Node, new: Sequence[NewEntry]) -> list[Edit]:
    """Edits that add entries to an empty object or array."""
    text, start, end = document.text, node.start + 1, node.end - 1
    indent = indent_at(text, node.start)
    flat = "\n" not in text and "\r" not in text
    short = not any(isinstance(entry.value, (dict, list)) or entry.key for entry in new)
    comments = document.parsed.comment_spans(start, end)
    short = short and not document.style.spread
    if flat or (short and not text[start:end].strip(" \t")):
        style = replace(document.style, inline=True)
        body = ("," + style.gap).join(_entry(entry, style, "") for entry in new)
        return [Edit(start, 0 if comments else end - start, body)]
    deeper = indent + document.style.unit
    if comments and starts_line(text, comments[0][0]):
        deeper = indent_at(text, comments[0][0])
    eol = document.style.eol
    body = ",".join(eol + deeper + _entry(entry, document.style, deeper) for entry in new)
    at = comments[-1][1] if comments else start
    return [Edit(at, end - at, body + eol + indent)]


def _removal(document: StyledDocument, node: Node, index: int, behind_kept: bool) -> list[Edit]:
    """Edits that remove an entry and its comma, and its line if nothing else is on it."""
    text, entry = document.text, node.entries[index]
    edits: list[Edit] = []
    end = entry.node.end
    if entry.comma >= 0 and not text[end : entry.comma].strip():
        end = entry.comma + 1
    elif entry.comma >= 0:
        edits.append(Edit(entry.comma, 1, ""))
    comments = document.parsed.comments_in(entry.start, end)
    if comments:
        right = _skip_blanks(text, end)
        ends_line = right >= len(text) or text[right] in "\r\n"
        ending = None if ends_line else ""
        kept = carried_comments(document, comments, indent_at(text, entry.start), ending)
        end = right if ends_line else end
        return [*edits, Edit(entry.start, end - entry.start, kept)]
    left, right = _with_blanks(document.text, entry.start, end, behind_kept)
    return [*edits, Edit(left, right - left, "")]


def _with_blanks(text: str, start: int, end: int, behind_kept: bool) -> tuple[int, int]:
    left, right = start, _skip_blanks(text, end)
    while left and text[left - 1] in " \t":
        left -= 1
    ends_line = right >= len(text) or text[right] in "\r\n"
    if starts_line(text, start):
        if not ends_line:
            return start, right
        return left, right + (2 if text.startswith("\r\n", right) else right < len(text))
    if ends_line:
        return left, right
    return (left, end) if behind_kept else (start, right)


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def carried_comments(
    document: StyledDocument, comments: list[str], indent: str, ending: str | None
) -> str:
    """The comments of a removed value, in order.

    `ending` follows the last one (a line break if that is a line comment); None: the line ends
    there anyway.
    """
    pieces: list[str] = []
    for number, comment in enumerate(comments, 1):
        gap = " " if number < len(comments) else ending
        pieces.append(comment)
        if gap is not None:
            pieces.append(document.style.eol + indent if comment.startswith("//") else gap)
    return "".join(pieces)
