"""Edits of a JSON text that leave the rest of it as it is, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..util.json_values import Json, canonical, same
from ..util.jsonc import Node
from .json_entries import Edit, NewEntry, StyledDocument, carried_comments, reshape
from .json_layout import indent_at, layout

__all__ = [
    "Edit",
    "NewEntry",
    "StyledDocument",
    "apply",
    "insertion_gaps",
    "reshape",
    "transform",
]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits.

    At one offset, insertions come first, in the given order. Two edits may overlap only in blanks
    that both remove.
    """
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.offset, edit.length > 0)):
        pieces += [text[done : edit.offset], edit.text]
        done = max(done, edit.offset + edit.length)
    return "".join(pieces) + text[done:]


def transform(document: StyledDocument, node: Node, value: Json) -> list[Edit]:
    """Edits after which the node has the value `value`, as few as possible."""
    if same(node.value, value):
        return []
    alike = type(value) is type(node.value) and not node.shadowed
    if alike and isinstance(value, dict):
        return _transform_object(document, node, value)
    if alike and isinstance(value, list):
        return _transform_array(document, node, value)
    return _replace(document, node, value)


def _replace(document: StyledDocument, node: Node, value: Json) -> list[Edit]:
    indent = indent_at(document.text, node.start)
    comments = carried_comments(
        document, document.parsed.comments_in(node.start, node.end), indent, " "
    )
    style = document.style if "\n" in document.text else replace(document.style, inline=True)
    text = comments + layout(value, style, indent)
    return [Edit(node.start, node.end - node.start, text)]


def _transform_object(document: StyledDocument, node: Node, value: Json) -> list[Edit]:
    edits: list[Edit] = []
    gone = {index for index, entry in enumerate(node.entries) if entry.key not in value}
    for entry in node.entries:
        if entry.key in value:
            edits += transform(document, entry.node, value[entry.key])
    here = {entry.key: index for index, entry in enumerate(node.entries)}
    new = [
        NewEntry(gap, key, value[key])
        for gap, key in insertion_gaps(list(value), here, len(node.entries))
    ]
    return edits + reshape(document, node, gone, new)


def _transform_array(document: StyledDocument, node: Node, value: Json) -> list[Edit]:
    edits: list[Edit] = []
    gone: set[int] = set()
    new: list[NewEntry] = []
    for begin, end, first, last in _differences(node.value, value):
        paired = min(end - begin, last - first)
        for index in range(paired):
            edits += transform(document, node.entries[begin + index].node, value[first + index])
        gone.update(range(begin + paired, end))
        new += [NewEntry(begin + paired, None, item) for item in value[first + paired : last]]
    return edits + reshape(document, node, gone, new)


def _differences(old: list[Json], new: list[Json]) -> Iterator[tuple[int, int, int, int]]:
    """(begin, end, first, last): where `new[first:last]` replaces `old[begin:end]`."""
    if max(len(old), len(new)) > 200:  # the search takes quadratic time
        yield 0, len(old), 0, len(new)
        return
    from difflib import SequenceMatcher  # here: mostly nothing differs

    texts = [canonical(item) for item in old], [canonical(item) for item in new]
    for tag, *span in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag != "equal":
            yield span[0], span[1], span[2], span[3]


def insertion_gaps(
    names: Sequence[str], here: dict[str | None, int], size: int
) -> list[tuple[int, str]]:
    """(gap, name) for each of the names that is not in `here` (name -> index of `size` entries).

    It is the gap behind the nearest name before it, else before the nearest behind it, else at the
    end.
    """
    leading = next((i for i, name in enumerate(names) if name in here), 0)
    before = here[names[leading]] if leading else size
    behind: list[tuple[int, str]] = []
    gap = size
    for name in names[leading:]:
        if name in here:
            gap = here[name] + 1
        else:
            behind.append((gap, name))
    return behind + [(before, name) for name in names[:leading]]
