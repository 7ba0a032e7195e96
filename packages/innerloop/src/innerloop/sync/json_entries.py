"""Entries of one object or array that come and go, in the layout that is there.

A comment is never ours: the comments in and around what is removed stay.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from ..util.json_values import Json, scalar_text
from ..util.jsonc import Document, Entry, Node
from .json_layout import Style, colon_of, indent_at, layout, starts_line, style_of


@dataclass(frozen=True, slots=True)
class Edit:
    """`length` characters at `offset` give way to `text`."""

    offset: int
    length: int
    text: str


class New(NamedTuple):
    """An entry to come: `gap` is the number of existing entries before it; `key` is None in an
    array."""

    gap: int
    key: str | None
    value: Json


@dataclass(frozen=True)
class Page:
    """A document and its habits."""

    document: Document

    @property
    def text(self) -> str:
        return self.document.text

    @cached_property
    def style(self) -> Style:
        return style_of(self.document)


def reshape(page: Page, node: Node, gone: Set[int], new: Sequence[New]) -> list[Edit]:
    """Takes entries out of an object or array and puts new ones in."""
    if not gone and not new:
        return []
    if not node.entries:
        return _fill(page, node, new)
    kept = [index for index in range(len(node.entries)) if index not in gone]
    inside = (node.start + 1, node.end - 1)
    if not kept and not new and not page.document.comments_in(*inside):
        return [Edit(inside[0], inside[1] - inside[0], "")]
    new = _behind_kept(new, gone)
    edits = _commas(node, kept, new)
    edits += _insertions(page, node, kept, new)
    first_kept = kept[0] if kept else len(node.entries)
    for index in sorted(gone):
        edits += _removal(page, node, index, index > first_kept)
    return edits


def _behind_kept(new: Sequence[New], gone: Set[int]) -> list[New]:
    """The same places, told by entries that stay."""
    moved = []
    for entry in new:
        gap = entry.gap
        while gap and gap - 1 in gone:
            gap -= 1
        moved.append(entry._replace(gap=gap))
    return sorted(moved, key=lambda entry: entry.gap)


def _commas(node: Node, kept: list[int], new: list[New]) -> list[Edit]:
    """Commas of the entries that stay; a comma behind the last one is a habit that is kept."""
    if not kept or node.entries[-1].comma >= 0:
        return []
    last = node.entries[kept[-1]]
    followed = bool(new) and new[-1].gap > kept[-1]
    if followed and last.comma < 0:
        return [Edit(last.node.end, 0, ",")]
    if not followed and last.comma >= 0:
        return [Edit(last.comma, 1, "")]
    return []


def _insertions(page: Page, node: Node, kept: list[int], new: list[New]) -> list[Edit]:
    trailing = node.entries[-1].comma >= 0
    last_kept = kept[-1] if kept else -1
    rows = [index for index, e in enumerate(node.entries) if starts_line(page.text, e.start)]
    edits = []
    for number, entry in enumerate(new):
        is_last = number == len(new) - 1 and entry.gap > last_kept
        comma = "," if trailing or not is_last else ""
        if rows:
            edits.append(_new_row(page, node, entry, comma, rows))
        else:
            edits.append(_new_inline(page, node, entry, comma, bool(kept)))
    return edits


def _new_row(page: Page, node: Node, new: New, comma: str, rows: list[int]) -> Edit:
    text = page.text
    near = max(0, new.gap - 1)
    model = near if starts_line(text, node.entries[near].start) else rows[0]
    indent = indent_at(text, node.entries[model].start)
    outer = indent_at(text, node.start)
    nested = indent[len(outer) :] if indent.startswith(outer) else ""
    style = replace(
        _like(page, node, node.entries[near]),
        unit=nested or page.style.unit,
        trailing=node.entries[-1].comma >= 0,
    )
    return Edit(
        _row_end(page, node, new.gap), 0, style.eol + indent + _entry(new, style, indent) + comma
    )


def _like(page: Page, node: Node, sibling: Entry) -> Style:
    """The style for a new neighbour: as inline as the sibling is, when that is an object."""
    colon = colon_of(page.text, node) or page.style.colon
    like, text = sibling.node, page.text[sibling.node.start : sibling.node.end]
    if not isinstance(like.value, dict) or not like.entries or "\n" in text or "\r" in text:
        return replace(page.style, colon=colon)
    pad = " " if text[1] in " \t" else ""
    return replace(page.style, colon=colon, inline=True, pad=pad)


def _row_end(page: Page, node: Node, gap: int) -> int:
    """Where a new line can begin behind an entry (or the opening bracket): behind its comma, and
    behind the comments that end its line."""
    text = page.text
    after = _after(node, gap)
    at = after
    while True:
        while at < len(text) and text[at] in " \t":
            at += 1
        if at >= len(text) or text[at] in "\r\n":
            return after
        end = _comment_end(page.document, at)
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


def _new_inline(page: Page, node: Node, new: New, comma: str, some_kept: bool) -> Edit:
    text, entries = page.text, node.entries
    lead = _blank(text[node.start + 1 : entries[0].start], "")
    gap = " "
    if entries[0].comma >= 0 and len(entries) > 1:
        gap = _blank(text[entries[0].comma + 1 : entries[1].start], " ")
    style = _like(page, node, entries[max(0, new.gap - 1)])
    if "\n" not in text[node.start : node.end]:
        style = replace(style, inline=True, gap=gap)
    body = _entry(new, style, indent_at(text, node.start)) + comma
    if new.gap:
        return Edit(_after(node, new.gap), 0, gap + body)
    return Edit(node.start + 1, 0, lead + body + (gap if some_kept and not lead else ""))


def _blank(text: str, otherwise: str) -> str:
    return text if not text.strip(" \t") else otherwise


def _entry(new: New, style: Style, indent: str) -> str:
    head = "" if new.key is None else scalar_text(new.key) + style.colon
    return head + layout(new.value, style, indent, len(head))


def _fill(page: Page, node: Node, new: Sequence[New]) -> list[Edit]:
    """New entries for an empty object or array."""
    text, start, end = page.text, node.start + 1, node.end - 1
    indent = indent_at(text, node.start)
    flat = "\n" not in text and "\r" not in text
    short = not any(isinstance(entry.value, (dict, list)) or entry.key for entry in new)
    comments = page.document.comment_spans(start, end)
    short = short and not page.style.spread
    if flat or (short and not text[start:end].strip(" \t")):
        style = replace(page.style, inline=True)
        body = ("," + style.gap).join(_entry(entry, style, "") for entry in new)
        return [Edit(start, 0 if comments else end - start, body)]
    deeper = indent + page.style.unit
    if comments and starts_line(text, comments[0][0]):
        deeper = indent_at(text, comments[0][0])
    eol = page.style.eol
    body = ",".join(eol + deeper + _entry(entry, page.style, deeper) for entry in new)
    at = comments[-1][1] if comments else start
    return [Edit(at, end - at, body + eol + indent)]


def _removal(page: Page, node: Node, index: int, behind_kept: bool) -> list[Edit]:
    """An entry and its comma go; its line goes with it when nothing else stands there."""
    text, entry = page.text, node.entries[index]
    edits: list[Edit] = []
    end = entry.node.end
    if entry.comma >= 0 and not text[end : entry.comma].strip():
        end = entry.comma + 1
    elif entry.comma >= 0:
        edits.append(Edit(entry.comma, 1, ""))
    comments = page.document.comments_in(entry.start, end)
    if comments:
        right = _skip_blanks(text, end)
        ends_line = right >= len(text) or text[right] in "\r\n"
        ending = None if ends_line else ""
        kept = carried(page, comments, indent_at(text, entry.start), ending)
        end = right if ends_line else end
        return [*edits, Edit(entry.start, end - entry.start, kept)]
    left, right = _with_blanks(page.text, entry.start, end, behind_kept)
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


def carried(page: Page, comments: list[str], indent: str, ending: str | None) -> str:
    """Comments out of a removed value, in order. `ending` stands behind the last one, a line break
    instead behind a line comment; None: the line ends there anyway."""
    pieces: list[str] = []
    for number, comment in enumerate(comments, 1):
        gap = " " if number < len(comments) else ending
        pieces.append(comment)
        if gap is not None:
            pieces.append(page.style.eol + indent if comment.startswith("//") else gap)
    return "".join(pieces)
