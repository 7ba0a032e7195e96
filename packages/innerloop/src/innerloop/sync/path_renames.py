"""Renames in a generated file: only the strings that hold the name change.

A text file is one string, which no keys lead to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..util.json_values import Json
from ..util.jsonc import Node, parse
from .json_edits import Edit, apply

# (keys that lead to a string, the string) -> its replacement. An item of a list has the key of the
# list with its index behind it: "args.0".
Change = Callable[[tuple[str, ...], str], str]


def in_value(value: Json, change: Change, keys: tuple[str, ...] = ()) -> Json:
    if isinstance(value, str):
        return change(keys, value)
    if isinstance(value, dict):
        return {key: in_value(item, change, (*keys, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [in_value(item, change, _item(keys, n)) for n, item in enumerate(value)]
    return value


def in_text(text: str, change: Change, name: str = "") -> str:
    """The same for a file's text; the rest of it stays, byte for byte. Raises ParseError."""
    root = parse(text, name).root
    return text if root is None else apply(text, _edits(root, change, ()))


def _edits(node: Node, change: Change, keys: tuple[str, ...]) -> Iterator[Edit]:
    if isinstance(node.value, str):
        new = change(keys, node.value)
        if new != node.value:
            literal = json.dumps(new, ensure_ascii=False)
            yield Edit(node.start, node.end - node.start, literal)
    for number, entry in enumerate(node.entries):
        below = (*keys, entry.key) if entry.key is not None else _item(keys, number)
        yield from _edits(entry.node, change, below)


def _item(keys: tuple[str, ...], number: int) -> tuple[str, ...]:
    return (*keys, f"{keys[-1] if keys else ''}.{number}")
