"""YAML text as plain values that still know their position in the file.

Values are those of PyYAML's SafeLoader (YAML 1.1: `yes` is True, `1e-5` is text, the last of two
equal keys counts), because azure-ai-ml reads its files with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .position import Position
from .quick_dataclasses import dataclass
from .yaml_errors import explained, require_an_end, require_text

# YAML takes long to import: it is imported where a text is parsed.
if TYPE_CHECKING:
    import yaml

Key = str | int

MAX_DEPTH = 100  # far above any job file


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed text: `.value` is plain Python; `.where(...)` is the position of a key."""

    name: str
    value: Any
    source: str = field(default="", repr=False)
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> list[Any]:
        """Without the nodes: a copy composes them again when it is asked for a position."""
        return [self.name, self.value, self.source, None]

    @property
    def _root(self) -> yaml.Node | None:
        return _composed(self.source) if self.node is None else self.node

    def where(self, *path: Key) -> Position:
        """The position of a key, of a list's item, or of the nearest parent that exists."""
        return self._position(_walk(self._root, path)[0])

    def where_word(self, path: tuple[Key, ...], before: str, word: str) -> Position | None:
        """The position of a word inside a value, after the text `before`; None if it is not there."""
        position = self.where_text(path, f"{before}{word}")
        if position.end_column - position.column != len(before) + len(word):
            return None
        return replace(position, column=position.column + len(before))

    def where_value(self, *path: Key) -> Position | None:
        """The position of a scalar that is written on one line; None for any other value."""
        import yaml

        node = _walk(self._root, path)[1]
        if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">") or not node.value:
            return None
        position = self._position(node)
        return position if node.start_mark.line == node.end_mark.line else None

    def place_for(self, path: tuple[Key, ...], before: str) -> tuple[Position, str] | None:
        """Where a new key of the mapping at a path goes, and a template for its text.

        The template has `{}` for `NAME: VALUE`. A mapping that is missing is written before the key
        `before` of the mapping around it. None where the file has no simple place for it.
        """
        import yaml

        node = _walk(self._root, path)[1]
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            return self._place_for_mapping(path, before)
        if not isinstance(node, yaml.MappingNode):
            return None
        if node.flow_style:
            at = node.start_mark
            position = Position(self.name, at.line + 1, at.column + 2, at.column + 2)
            return position, "{} , " if node.value else "{} "
        return self._line_before(node.value[0][0], "{}\n") if node.value else None

    def _place_for_mapping(self, path: tuple[Key, ...], before: str) -> tuple[Position, str] | None:
        import yaml

        around = _walk(self._root, path[:-1])[1]
        if not isinstance(around, yaml.MappingNode) or around.flow_style:
            return None
        keys = {key.value: key for key, _ in around.value}
        if path[-1] in keys:  # it has no value: the names go below it
            mark = keys[path[-1]].start_mark
            place = self._line_before(keys[path[-1]], "  {}\n")
            if place is None or len(self.source.splitlines()) <= mark.line + 1:
                return None
            return Position(self.name, mark.line + 2, 1, 1), place[1]
        next_ = keys.get(before) or (around.value[0][0] if around.value else None)
        indent = " " * (next_.start_mark.column if next_ is not None else 0)
        return self._line_before(next_, f"{path[-1]}:\n{indent}  {{}}\n")

    def _line_before(self, key: yaml.Node | None, template: str) -> tuple[Position, str] | None:
        """A new line before a key that is the first of its line; None for any other key."""
        if key is None:
            return None
        mark = key.start_mark
        indent = self.source.splitlines()[mark.line][: mark.column]
        if indent.strip():
            return None
        return Position(self.name, mark.line + 1, 1, 1), indent + template

    def _position(self, node: yaml.Node | None) -> Position:
        """The position of a node, with its end or that of its first token."""
        import yaml

        if node is None:
            return Position(self.name, 1, 1).in_text(self.source)
        start, end = node.start_mark, node.end_mark
        is_token = isinstance(node, yaml.ScalarNode) and start.line == end.line
        position = Position(
            self.name, start.line + 1, start.column + 1, end.column + 1 if is_token else 0
        )
        return position if is_token else position.in_text(self.source)

    def where_text(self, path: tuple[Key, ...], text: str, nth: int = 0) -> Position:
        """The position of a piece of text inside a value, counting its occurrences from 0.

        It is the key's when the file writes the value in another way (escaped, or folded in its
        middle).
        """
        key, node = _walk(self._root, path)
        if node is None:
            return self._position(key)
        lines = self.source.splitlines(keepends=True)
        start = sum(map(len, lines[: node.start_mark.line])) + node.start_mark.column
        end = sum(map(len, lines[: node.end_mark.line])) + node.end_mark.column
        at = start - 1
        for _ in range(nth + 1):
            at = self.source.find(text, at + 1, end)
            if at < 0:
                return self._position(key)
        line = self.source.count("\n", 0, at)
        column = at - self.source.rfind("\n", 0, at)
        return Position(self.name, line + 1, column, column + len(text.partition("\n")[0]))

    def scalar(self, *path: Key) -> tuple[Any, str | None]:
        """The value at a path and its text as written without quotes.

        (None, None) for what is in quotes, tagged, no scalar or not there.
        """
        import yaml

        node = _walk(self._root, path)[1]
        if not isinstance(node, yaml.ScalarNode) or node.style in ("'", '"', "|", ">"):
            return None, None
        return _value_of(node), node.value

    def names(self, *path: Key) -> list[tuple[Any, str, Position]]:
        """(name, its text, its position) of each key of a mapping; [] if there is none."""
        import yaml

        node = _walk(self._root, path)[1] if path else self._root
        return [
            (_value_of(key), key.value, self._position(key))
            for key, _ in (node.value if isinstance(node, yaml.MappingNode) else ())
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge"
        ]

    def duplicates(self) -> list[tuple[Position, str]]:
        """The keys that occur twice in one mapping, each with the position of the later one."""
        loader = _loader()(self.source)
        try:
            return [
                (self._position(key), key.value) for key in _duplicates(loader.get_single_node())
            ]
        finally:
            loader.dispose()


@cache
def _loader() -> type[yaml.SafeLoader | yaml.CSafeLoader]:
    """The faster one; PyYAML may be without libyaml."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _composed(text: str) -> yaml.Node | None:
    """The node of a text that was parsed before; None for one without a value."""
    loader = _loader()(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def parse(text: str, name: str) -> YamlText:
    """The parsed text. Raises `UserError` with a position for text that is not YAML."""
    import yaml

    try:
        _require_flat(text, name)
        loader = _loader()(text)
        try:
            node = loader.get_single_node()
            require_an_end(node, name)
            require_text(node, name)
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise explained(error, text, name) from error
    except RecursionError as error:
        hint = "Mend the file"
        raise UserError(
            "it is nested too deeply", code="not-yaml", where=Position(name, 1), hint=hint
        ) from error
    return YamlText(name, value, text, node)


def refused_elsewhere(text: str, name: str) -> UserError | None:
    """Why PyYAML's own parser, which Azure ML's client has, does not read a text that libyaml reads.

    It knows no tab after a value and no question mark in a text within braces. A text without them
    is not parsed again.
    """
    import yaml

    is_doubtful = "\t" in text or ("?" in text and ("{" in text or "[" in text))
    if not is_doubtful or len(text) > 200_000:
        return None
    try:
        for _ in yaml.parse(text, yaml.SafeLoader):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        is_tab = "\\t" in str(getattr(error, "problem", ""))
        what = "a tab after a value" if is_tab else "a question mark in a text without quotes"
        return UserError(
            f"Azure ML's client does not read {what} here",
            code="yaml-not-portable",
            where=_position(name, mark),
            hint="Write blanks" if is_tab else "Put the text in quotes",
        )
    return None


def _require_flat(text: str, name: str) -> None:
    """UserError for a text that is nested too deeply.

    libyaml's composer calls itself for each level, and the process dies where the stack ends; its
    parser does not. A short text with short lines cannot be that deep.
    """
    import yaml

    is_short = len(text) < 20_000 and text.count("[") + text.count("{") < 2 * MAX_DEPTH
    if is_short and max(map(len, text.splitlines()), default=0) < 500:
        return
    depth = 0
    for event in yaml.parse(text, _loader()):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UserError(
                f"more than {MAX_DEPTH} levels of nesting",
                code="not-yaml",
                where=_position(name, event.start_mark),
                hint="Correct the file",
            )


def _value_of(node: yaml.ScalarNode) -> Any:
    """A scalar's value; its text where the tag says something that it is not."""
    import yaml

    loader = _loader()("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError):
        return node.value
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node | None, path: tuple[Key, ...]
) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The node of the path's last key that is there, and that of the value (None: not there)."""
    name = node
    for key in path:
        below = _child(node, key)
        if below is None:
            return name, None
        name, node = below
    return name, node


def _child(node: yaml.Node | None, key: Key) -> tuple[yaml.Node, yaml.Node] | None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):
            if name.value == str(key):
                return name, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None


def _position(name: str, mark: Any) -> Position:
    return Position(name, 1, 1) if mark is None else Position(name, mark.line + 1, mark.column + 1)


def _duplicates(node: yaml.Node | None) -> Iterator[yaml.Node]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                yield key
            if isinstance(key.value, str):
                seen.add(key.value)
            yield from _duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item)
