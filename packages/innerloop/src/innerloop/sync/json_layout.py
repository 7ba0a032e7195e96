"""The layout style of a JSON file, and new values written in that style."""

from __future__ import annotations

import re
from dataclasses import replace

from ..util.json_values import Json, scalar_text
from ..util.jsonc import BOM, Document, Node
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

WIDTH = 100  # a list of scalars that ends before this column stays on one line
SMALL = 2  # so does an object under a key with at most so many members, all of them scalars


@dataclass(frozen=True, slots=True)
class Style:
    """How a file's values are laid out.

    `unit` is one level of indentation. `pad` is the space inside the braces of an inline object,
    `gap` the space after an inline comma; `trailing`: a comma after the last entry of a multi-line
    container; `spread`: lists of scalars have each item on a line of its own, however short.
    """

    unit: str = "    "
    eol: str = "\n"
    colon: str = ": "
    pad: str = ""
    gap: str = " "
    inline: bool = False
    trailing: bool = False
    spread: bool = False


def style_of(document: Document) -> Style:
    """The file's style, from the first places that show it."""
    style = Style(eol=document.eol)
    if document.root is None:
        return style
    colon = unit = spread = None
    stack = [document.root]
    while stack and None in (colon, unit, spread):
        node = stack.pop()
        if node.entries:
            colon = colon or colon_of(document.text, node)
            unit = unit or unit_of(document.text, node)
            spread = _spread_of(document.text, node) if spread is None else spread
        stack.extend(entry.node for entry in reversed(node.entries))
    return replace(
        style, colon=colon or style.colon, unit=unit or style.unit, spread=spread or False
    )


def _spread_of(text: str, node: Node) -> bool | None:
    """Whether a list of scalars has its items on lines of their own.

    None for another value, and for a list that is too long for one line anyway.
    """
    if isinstance(node.value, dict) or any(entry.node.entries for entry in node.entries):
        return None
    if starts_line(text, node.entries[0].start):
        return True if len(scalar_text(node.value)) < WIDTH // 2 else None
    return False


def colon_of(text: str, node: Node) -> str | None:
    """The text between a key and its value, if it is on one line without a comment."""
    for entry in node.entries[:3]:
        between = text[entry.key_end : entry.node.start] if entry.key is not None else ""
        if re.fullmatch(r"[ \t]*:[ \t]*", between):
            return between
    return None


def unit_of(text: str, node: Node) -> str | None:
    """One level of indentation, taken from the first entry if it is on a line of its own."""
    first = node.entries[0]
    if not starts_line(text, first.start):
        return None
    outer, inner = indent_at(text, node.start), indent_at(text, first.start)
    return inner[len(outer) :] if inner.startswith(outer) and inner != outer else None


def starts_line(text: str, offset: int) -> bool:
    """Whether only blanks come before the offset on its line."""
    while offset and text[offset - 1] in " \t":
        offset -= 1
    return offset == 0 or text[offset - 1] in "\r\n" + BOM


_BLANKS = late_pattern(r"[ \t]*")


def indent_at(text: str, offset: int) -> str:
    """The blanks at the start of the line that holds the offset."""
    start = text.rfind("\n", 0, offset) + 1
    if start == 0:  # the first line, or a file of lone carriage returns
        start = text.rfind("\r", 0, offset) + 1
    match = _BLANKS.match(text, start + text.startswith(BOM, start))
    return match[0] if match else ""


def layout(value: Json, style: Style, indent: str = "", column: int = 0) -> str:
    """The value's text.

    `indent` is that of the line on which it begins, `column` the number of characters that this
    line has already.
    """
    if not isinstance(value, (dict, list)) or not value:
        return scalar_text(value)
    if style.inline:
        return inline(value, style)
    if not style.spread and _is_short(value, is_member=column > 0):
        line = inline(value, style)
        if len(indent) + column + len(line) <= WIDTH:
            return line
    return _lines(value, style, indent)


def _is_short(value: Json, *, is_member: bool) -> bool:
    """Whether a container may stay on one line: a list of scalars, or a small object under a key."""
    if isinstance(value, dict) and not (is_member and len(value) <= SMALL):
        return False
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, (dict, list)) for item in items)


def _lines(value: Json, style: Style, indent: str) -> str:
    deeper = indent + style.unit
    if isinstance(value, dict):
        heads = [(scalar_text(key) + style.colon, item) for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        heads = [("", item) for item in value]
        opening, closing = "[", "]"
    rows = [deeper + head + layout(item, style, deeper, len(head)) for head, item in heads]
    end = "," if style.trailing else ""
    return style.eol.join([opening, f",{style.eol}".join(rows) + end, indent + closing])


def inline(value: Json, style: Style) -> str:
    if not isinstance(value, (dict, list)) or not value:
        return scalar_text(value)
    comma = "," + style.gap
    if isinstance(value, list):
        return "[" + comma.join(inline(item, style) for item in value) + "]"
    members = (scalar_text(key) + style.colon + inline(item, style) for key, item in value.items())
    return "{" + style.pad + comma.join(members) + style.pad + "}"


def new_file(value: Json) -> str:
    return layout(value, Style()) + "\n"
