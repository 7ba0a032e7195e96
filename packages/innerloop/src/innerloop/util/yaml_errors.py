"""Why a text is no YAML, in the words of who wrote it; and aliases that unfold without an end."""

from __future__ import annotations

import re

import yaml

from .errors import UserError
from .position import Position

# So many values a job file never has; aliases of aliases come to billions in ten lines.
MOST_VALUES = 100_000
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
_TEMPLATE = re.compile(r"(?<!\$)\{\{.*?\}\}|\{%.*?%\}")


def explained(error: yaml.YAMLError | ValueError, text: str, name: str) -> UserError:
    """The fault with its place, and what to do."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return UserError(
            f"not YAML: {str(error).splitlines()[0]}",
            code="not-yaml",
            where=Position(name, 1),
            hint="Correct the file",
        )
    where = Position(name, mark.line + 1, mark.column + 1)
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        what = "not YAML: a merge has left its conflict here"
        return UserError(
            what,
            code="not-yaml",
            where=Position(name, line, 1),
            hint="Decide for one of the two sides",
        )
    line = (text.splitlines() or [""])[min(mark.line, max(len(text.splitlines()) - 1, 0))]
    template = _TEMPLATE.search(line)
    if template:
        what = f"not YAML: this is a template, in which {template[0]} is still to be filled in"
        return UserError(
            what, code="not-yaml", where=where, hint="Name the file that is made of it"
        )
    if "\t" in line[: mark.column + 1]:
        what = "not YAML: a tab stands here, and YAML is indented with blanks"
        return UserError(what, code="not-yaml", where=where, hint="Write blanks in its place")
    if getattr(error, "context", None) == "expected a single document in the stream":
        what = "not YAML of one job: after --- another document begins"
        return UserError(what, code="not-yaml", where=where, hint="Make it a file of its own")
    what = getattr(error, "problem", None) or getattr(error, "context", None) or "it is unreadable"
    hint = "Check indentation, quotes and colons there"
    return UserError(f"not YAML: {what}", code="not-yaml", where=where, hint=hint)


def require_an_end(node: yaml.Node | None, name: str) -> None:
    """A `UserError` for an alias that holds itself, and for aliases that unfold to what nothing can
    hold."""
    _size(node, name, {}, set())


def _size(node: yaml.Node | None, name: str, known: dict[int, int], open_: set[int]) -> int:
    """How many values the node is, unfolded; each node is counted once."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) in open_:
        raise _endless(node, name, "an alias stands for what it is a part of")
    if id(node) not in known:
        open_.add(id(node))
        below = [one for pair in node.value for one in (pair if type(pair) is tuple else (pair,))]
        known[id(node)] = 1 + sum(_size(one, name, known, open_) for one in below)
        open_.remove(id(node))
    if known[id(node)] > MOST_VALUES:
        raise _endless(node, name, f"its aliases unfold to more than {MOST_VALUES:,} values")
    return known[id(node)]


def _endless(node: yaml.Node, name: str, what: str) -> UserError:
    where = Position(name, node.start_mark.line + 1, node.start_mark.column + 1)
    return UserError(
        what, code="yaml-alias-endless", where=where, hint="Write the values in place of the alias"
    )
