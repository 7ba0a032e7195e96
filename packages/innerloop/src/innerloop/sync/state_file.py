"""The memory of what was last rendered, as the text of `.innerloop/state.json`.

It is kept in git, so it is written for `git merge`: sorted, one line for each file and for each
member of a named list, every line ending in a comma, the first and the last line always the same.
No line changes because a neighbour comes or goes, and two branches that each add an experiment
meet in one place at most, where both sides' lines together, in any order, are the answer.
A line is [file, keys and names..., value]; what stands in a list by name is left out of the value
around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ..util.json_values import Json
from .json_paths import Path
from .merge_rules import Rules

_FIRST = (
    '[["What `loop sync` rendered last. Keep it in git; without it, sync starts over safely."],'
)
_LAST = '["end"]]'
_EJECTED = "ejected"

_Lines: TypeAlias = dict[tuple[str, ...], Json]


@dataclass(frozen=True)
class Memory:
    """`rendered` maps a file, as its path in the workspace with `/`, to the value that was last
    rendered for it. `ejected` are files that a person took over."""

    rendered: Mapping[str, Json] = field(default_factory=dict)
    ejected: frozenset[str] = frozenset()


class Corrupt(ValueError):
    """The text is not a memory; it counts as lost."""


def dump(memory: Memory, rules: Rules) -> str:
    lines: _Lines = {}
    for file, value in memory.rendered.items():
        lines |= {(file, *path): part for path, part in _parts(value, rules, ())}
    rows = [_row(path, lines[path]) for path in sorted(lines)]
    ejected = [f"{_compact({_EJECTED: file})}," for file in sorted(memory.ejected)]
    return "\n".join([_FIRST, *ejected, *rows, _LAST]) + "\n"


def _row(path: tuple[str, ...], value: Json) -> str:
    return f"{_compact([*path, value])},"


def _compact(value: Json) -> str:
    """One line, the same on every machine."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text if text.isprintable() else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _parts(value: Json, rules: Rules, path: Path) -> Iterator[tuple[Path, Json]]:
    """The value without its named lists' members, then each member, in the same way."""
    members: list[tuple[Path, Json]] = []
    yield path, _lift(value, rules, path, members)
    for below, member in members:
        yield from _parts(member, rules, below)


def _lift(value: Json, rules: Rules, path: Path, members: list[tuple[Path, Json]]) -> Json:
    if isinstance(value, dict):
        return {key: _lift(item, rules, (*path, key), members) for key, item in value.items()}
    kind = rules.kind(path)
    if not isinstance(value, list) or kind.merge != "named":
        return value
    names = [kind.name_of(item) for item in value]
    named = [name for name in names if name is not None]
    if len(set(named)) < len(value):
        return value
    members += [((*path, name), item) for name, item in zip(named, value, strict=True)]
    return []


def load(text: str) -> Memory:
    """The other way round; members of named lists come sorted by name. Lines that two branches
    changed in two ways, both kept by a merge, are left out, with all that stood in them: nothing
    is then taken for rendered that was not. Raises Corrupt, conflict markers included."""
    lines: _Lines = {}
    unsure: set[tuple[str, ...]] = set()
    ejected: set[str] = set()
    for row in _rows(text):
        if isinstance(row, dict):
            ejected.add(_file(row))
        else:
            path, value = _path(row), row[-1]
            if path in lines and lines[path] != value:
                unsure.add(path)
            lines[path] = value
    return Memory(_join(lines, unsure), frozenset(ejected))


def _rows(text: str) -> list[Json]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt(str(error)) from error
    if not isinstance(rows, list) or len(rows) < 2 or rows[-1] != ["end"]:
        raise Corrupt("its last line is missing")
    return rows[1:-1]


def _file(row: dict[str, Json]) -> str:
    file = row.get(_EJECTED)
    if not isinstance(file, str) or len(row) != 1:
        raise Corrupt("a line of it is not a path and a value")
    return file


def _path(row: Json) -> tuple[str, ...]:
    if not isinstance(row, list) or len(row) < 2 or not all(isinstance(s, str) for s in row[:-1]):
        raise Corrupt("a line of it is not a path and a value")
    return tuple(row[:-1])


def _join(lines: _Lines, unsure: set[tuple[str, ...]]) -> dict[str, Json]:
    """Puts members back into their lists; parents sort before what stands in them."""
    files: dict[str, Json] = {}
    placed: _Lines = {}
    for path in sorted(lines):
        if path in unsure:
            continue
        if len(path) == 1:
            files[path[0]] = placed[path] = lines[path]
        elif (siblings := _list_of(placed, path)) is not None:
            siblings.append(lines[path])
            placed[path] = lines[path]
    return files


def _list_of(placed: _Lines, path: tuple[str, ...]) -> list[Json] | None:
    """The list that a member stands in: a line's value holds it under the keys in between."""
    for length in range(len(path) - 2, 0, -1):
        if path[:length] not in placed:
            continue
        value = placed[path[:length]]
        for key in path[length:-1]:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, list) else None
    return None
