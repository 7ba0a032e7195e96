"""Errors of YAML texts: what is wrong in the writer's terms, and aliases that expand endlessly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import git_markers
from .errors import UserError
from .late_patterns import late_pattern
from .position import Position

# YAML takes long to import: it is imported where a text is parsed.
if TYPE_CHECKING:
    import yaml

# More values than any job file has. Aliases of aliases expand to billions in ten lines.
MOST_VALUES = 100_000
NO_TEXT = late_pattern("[\0\ud800-\udfff]")
# Where YAML 1.1 ends a line.
_LINE_END = late_pattern("\r\n|[\n\r\x85\u2028\u2029]")
_TEMPLATE = late_pattern(r"(?<!\$)\{\{.*?\}\}|\{%.*?%\}")


def explained(error: yaml.YAMLError | ValueError, text: str, name: str) -> UserError:
    """The error for a text that is not YAML, with its position and a hint."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return UserError(
            f"not YAML: {str(error).splitlines()[0]}",
            code="not-yaml",
            where=Position(name, 1),
            hint="Correct the file",
        )
    lines = _LINE_END.split(text)
    is_after_the_end = mark.line >= len(lines)  # libyaml counts a line after the last
    where = Position(name, mark.line + 1, mark.column + 1)
    if is_after_the_end:
        where = Position(name, len(lines), len(lines[-1]) + 1)
    if conflict := git_markers.first_line(text):
        what = "not YAML: it contains a merge conflict"
        return UserError(
            what,
            code="not-yaml",
            where=Position(name, conflict, 1),
            hint="Keep one of the two sides",
        )
    line = lines[where.line - 1]
    template = _TEMPLATE.search(line)
    if template:
        what = f"not YAML: this is a template with the placeholder {template[0]}"
        return UserError(
            what, code="not-yaml", where=where, hint="Name the file that is made from it"
        )
    if _is_indented_with_a_tab(line) or r"'\t'" in str(getattr(error, "problem", "")):
        what = "not YAML: it is indented with a tab"
        return UserError(what, code="not-yaml", where=where, hint="Use blanks")
    if getattr(error, "context", None) == "expected a single document in the stream":
        what = "not one YAML document: another one begins after ---"
        return UserError(what, code="not-yaml", where=where, hint="Move it to a file of its own")
    what = (
        getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be parsed"
    )
    hint = "Check indentation, quotes and colons there"
    return UserError(f"not YAML: {what}", code="not-yaml", where=where, hint=hint)


def _is_indented_with_a_tab(line: str) -> bool:
    return "\t" in line[: len(line) - len(line.lstrip(" \t"))]


def require_an_end(node: yaml.Node | None, name: str) -> None:
    """UserError for an alias that contains itself, and for aliases that expand to too many values."""
    _size(node, name, {}, set())


def require_text(node: yaml.Node | None, name: str) -> None:
    """UserError for a zero byte or a lone surrogate, which an escape in quotes may write.

    No path, variable, argument or file can have them.
    """
    import yaml

    todo, seen = [node], set()
    while todo:
        item = todo.pop()
        if isinstance(item, yaml.ScalarNode):
            if found := NO_TEXT.search(item.value):
                mark = item.start_mark
                raise UserError(
                    f"the text contains the character U+{ord(found[0]):04X}, which nothing can hold",
                    code="text-unusable",
                    where=Position(name, mark.line + 1, mark.column + 1),
                    hint="Remove its escape",
                )
        elif isinstance(item, yaml.CollectionNode) and id(item) not in seen:
            seen.add(id(item))
            for part in item.value:
                todo += part if isinstance(part, tuple) else (part,)


def is_text(value: Any) -> bool:
    """Whether no string in the value has a zero byte or a lone surrogate."""
    if isinstance(value, str):
        return NO_TEXT.search(value) is None
    if isinstance(value, dict):
        return all(is_text(key) and is_text(item) for key, item in value.items())
    return not isinstance(value, (list, set, tuple)) or all(map(is_text, value))


def _size(node: yaml.Node | None, name: str, known: dict[int, int], open_: set[int]) -> int:
    """The number of values of a node with its aliases expanded; each node is visited once."""
    import yaml

    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) in open_:
        raise _endless(node, name, "an alias contains itself")
    if id(node) not in known:
        open_.add(id(node))
        below = [one for pair in node.value for one in (pair if type(pair) is tuple else (pair,))]
        known[id(node)] = 1 + sum(_size(one, name, known, open_) for one in below)
        open_.remove(id(node))
    if known[id(node)] > MOST_VALUES:
        raise _endless(node, name, f"its aliases expand to more than {MOST_VALUES:,} values")
    return known[id(node)]


def _endless(node: yaml.Node, name: str, what: str) -> UserError:
    where = Position(name, node.start_mark.line + 1, node.start_mark.column + 1)
    return UserError(
        what, code="yaml-alias-endless", where=where, hint="Write the values instead of the alias"
    )
