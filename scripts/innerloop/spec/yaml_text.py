"""YAML text as plain values that still know their place in the file.

Values are those of PyYAML's SafeLoader (YAML 1.1: `yes` is True), as azure-ai-ml reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from ..errors import Mistake

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Key = str | int


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed text: `.value` is plain Python; `.where(...)` is the place of a key's value."""

    name: str
    value: Any
    places: dict[tuple[Key, ...], tuple[int, int]] = field(repr=False, compare=False)

    def where(self, *path: Key) -> str:
        """ "name:line:column" of a key, or of the nearest parent that is there."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return f"{self.name}:{line}:{column}"


def parse(text: str, name: str) -> YamlText:
    """A `Mistake` with file:line:column when the text is no YAML, or has a key twice."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        places: dict[tuple[Key, ...], tuple[int, int]] = {}
        if node is None:
            return YamlText(name, None, places)
        _note(node, (), places, name)
        return YamlText(name, loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        raise _mistake(error, name) from error
    except yaml.YAMLError as error:
        raise Mistake(f"not YAML: {error}", where=name, mend="Mend the file") from error
    finally:
        loader.dispose()


def _note(
    node: yaml.Node,
    path: tuple[Key, ...],
    places: dict[tuple[Key, ...], tuple[int, int]],
    name: str,
) -> None:
    """Each key's place is that of the key itself: that is what a person looks for."""
    places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            mark = key.start_mark
            if below in places and key.tag != "tag:yaml.org,2002:merge":
                raise Mistake(
                    f'the key "{key.value}" stands twice',
                    where=f"{name}:{mark.line + 1}:{mark.column + 1}",
                    mend="Remove one: only the last would count",
                )
            places[below] = (mark.line + 1, mark.column + 1)
            _note(value, below, places, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note(item, (*path, index), places, name)


def _mistake(error: yaml.MarkedYAMLError, name: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    where = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
    what = error.problem or error.context or "it cannot be read"
    return Mistake(
        f"not YAML: {what}", where=where, mend="Check indentation, quotes and colons there"
    )
