"""Changes to a text that leave all the rest as it is, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from ..util.json_values import Json, canonical, same
from ..util.jsonc import Node
from .json_entries import Edit, New, Page, carried, reshape
from .json_layout import indent_at, layout

__all__ = ["Edit", "New", "Page", "apply", "placed", "reshape", "transform"]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits. At one offset, insertions come first, in the order given. Two edits
    may overlap only in blanks that both take away."""
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.offset, edit.length > 0)):
        pieces += [text[done : edit.offset], edit.text]
        done = max(done, edit.offset + edit.length)
    return "".join(pieces) + text[done:]


def transform(page: Page, node: Node, value: Json) -> list[Edit]:
    """Edits after which the node reads as `value`, touching as little of it as possible."""
    if same(node.value, value):
        return []
    alike = type(value) is type(node.value) and not node.shadowed
    if alike and isinstance(value, dict):
        return _transform_object(page, node, value)
    if alike and isinstance(value, list):
        return _transform_array(page, node, value)
    return _replace(page, node, value)


def _replace(page: Page, node: Node, value: Json) -> list[Edit]:
    indent = indent_at(page.text, node.start)
    comments = carried(page, page.document.comments_in(node.start, node.end), indent, " ")
    style = page.style if "\n" in page.text else replace(page.style, inline=True)
    text = comments + layout(value, style, indent)
    return [Edit(node.start, node.end - node.start, text)]


def _transform_object(page: Page, node: Node, value: Json) -> list[Edit]:
    edits: list[Edit] = []
    gone = {index for index, entry in enumerate(node.entries) if entry.key not in value}
    for entry in node.entries:
        if entry.key in value:
            edits += transform(page, entry.node, value[entry.key])
    here = {entry.key: index for index, entry in enumerate(node.entries)}
    new = [New(gap, key, value[key]) for gap, key in placed(list(value), here, len(node.entries))]
    return edits + reshape(page, node, gone, new)


def _transform_array(page: Page, node: Node, value: Json) -> list[Edit]:
    edits: list[Edit] = []
    gone: set[int] = set()
    new: list[New] = []
    for begin, end, first, last in _differences(node.value, value):
        paired = min(end - begin, last - first)
        for index in range(paired):
            edits += transform(page, node.entries[begin + index].node, value[first + index])
        gone.update(range(begin + paired, end))
        new += [New(begin + paired, None, item) for item in value[first + paired : last]]
    return edits + reshape(page, node, gone, new)


def _differences(old: list[Json], new: list[Json]) -> Iterator[tuple[int, int, int, int]]:
    """(begin, end, first, last): where `old[begin:end]` gave way to `new[first:last]`."""
    if max(len(old), len(new)) > 200:  # the search takes time that grows with the square
        yield 0, len(old), 0, len(new)
        return
    texts = [canonical(item) for item in old], [canonical(item) for item in new]
    for tag, *span in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag != "equal":
            yield span[0], span[1], span[2], span[3]


def placed(names: Sequence[str], here: dict[str | None, int], size: int) -> list[tuple[int, str]]:
    """(gap, name) for each of the names that is not among `here` (name -> index of `size` entries):
    behind the nearest name before it, else before the nearest behind it, else at the end."""
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
