"""YAML text as plain values that still know their place in the file.

Values are those of PyYAML's SafeLoader (YAML 1.1: `yes` is True, `1e-5` is text, the last of two
equal keys counts), because azure-ai-ml reads its files with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .errors import UserError
from .yaml_errors import explained, require_an_end

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Key = str | int


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed text: `.value` is plain Python; `.where(...)` is the place of a key."""

    name: str
    value: Any
    source: str = field(default="", repr=False)
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def where(self, *path: Key) -> str:
        """ "name:line:column" of a key (that is what a person looks for), of a list's item, or of
        the nearest parent that is there."""
        mark = _walk(self.node, path)[0]
        return _position(self.name, mark)

    def where_text(self, path: tuple[Key, ...], text: str, nth: int = 0) -> str:
        """The place of a piece of text inside a value, counting its occurrences from 0; of the key
        when the value is not written that way in the file (escaped, or folded in its middle)."""
        key, node = _walk(self.node, path)
        if node is None:
            return _position(self.name, key)
        lines = self.source.splitlines(keepends=True)
        start = sum(map(len, lines[: node.start_mark.line])) + node.start_mark.column
        end = sum(map(len, lines[: node.end_mark.line])) + node.end_mark.column
        at = start - 1
        for _ in range(nth + 1):
            at = self.source.find(text, at + 1, end)
            if at < 0:
                return _position(self.name, key)
        line = self.source.count("\n", 0, at)
        return f"{self.name}:{line + 1}:{at - self.source.rfind(chr(10), 0, at)}"

    def duplicates(self) -> list[tuple[str, str]]:
        """The keys that stand twice in one mapping: each with the place of the later one."""
        loader = _Loader(self.source)
        try:
            return list(_duplicates(loader.get_single_node(), self.name))
        finally:
            loader.dispose()


def parse(text: str, name: str) -> YamlText:
    """A `Mistake` with file:line:column when the text is no YAML."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            require_an_end(node, name)
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise explained(error, text, name) from error
    except RecursionError as error:
        hint = "Mend the file"
        raise UserError("it is nested too deeply", where=f"{name}:1", hint=hint) from error
    return YamlText(name, value, text, node)


def _walk(node: yaml.Node | None, path: tuple[Key, ...]) -> tuple[Any, yaml.Node | None]:
    """The mark of the path's last key that is there, and the value's node (None: not there)."""
    mark = None if node is None else node.start_mark
    for key in path:
        below = _child(node, key)
        if below is None:
            return mark, None
        mark, node = below
    return mark, node


def _child(node: yaml.Node | None, key: Key) -> tuple[Any, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):
            if name.value == str(key):
                return name.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark, node.value[key]
    return None


def _position(name: str, mark: Any) -> str:
    return f"{name}:1:1" if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"


def _duplicates(node: yaml.Node | None, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                yield _position(name, key.start_mark), str(key.value)
            if isinstance(key.value, str):
                seen.add(key.value)
            yield from _duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item, name)
