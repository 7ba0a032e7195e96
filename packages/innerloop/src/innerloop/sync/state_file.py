"""The record of what `loop sync` generated last, as the text of `.innerloop/state.json`.

It is kept in git, so it is written for `git merge`: sorted, one line for each file and for each
member of a named list, every line ending in a comma, the first and the last line always the same.
No line changes because a neighbour comes or goes, and where two branches each add an experiment,
both sides' lines together, in any order, are the correct result (`merge=union`).
A line is [file, keys and names..., value]; the members of named lists are left out of the value
around them. A line {"ejected": file} names a file that is the person's.

One more line says which version of the tool wrote it. A merge of two branches leaves two of them,
and then the newest counts. Tools from before this line take it for a member of a list that does
not exist, and leave it out. Its form is the same in every version, whatever the other lines become:
`version_in` finds it in each text. A line of the same kind says for an experiment that `loop new`
made from the template which version did: [its devcontainer.json, "made by innerloop", version].
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import field
from typing import TypeAlias

from ..util import versions
from ..util.json_values import Json
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .json_paths import Path
from .merge_rules import MergeRules
from .render.generated_paths import may_generate

_FIRST = '[["What `loop sync` generated last. Keep it in git; without it, sync leaves edited files alone."],'
_LAST = '["end"]]'
_EJECTED = "ejected"
# A file that each workspace has, and keys that no file has.
_WRITTEN_BY = (".vscode/tasks.json", "written by innerloop")
_MADE_BY = "made by innerloop"
_SAYING_VERSIONS = ((_WRITTEN_BY[1],), (_MADE_BY,))
_VERSION = late_pattern(
    rf'^\["{re.escape(_WRITTEN_BY[0])}","{_WRITTEN_BY[1]}","([0-9a-z.!+]{{1,200}})"\],\r?$',
    re.MULTILINE,
)
# What sync generates is nested less than twelve deep, and takes half a kilobyte for an experiment.
_DEEPEST, _LONGEST = 50, 1 << 26
# More branches than anybody merges at once.
_MOST_CONTESTED = 16

_Lines: TypeAlias = dict[tuple[str, ...], Json]


@dataclass(frozen=True)
class State:
    """What is recorded of each file, by its path in the workspace with `/`.

    `generated` is the base: the value that was generated last. `unknown` are files that were
    generated, of which the base is not known. `ejected` are files that are the person's: they took
    them over, or had them before sync could generate them. `is_damaged`: the record exists and
    cannot be read, so any file may have been generated. `version` is that of the newest tool that
    wrote it; "" for tools that did not say.

    `made`: the version whose template an experiment came from, by its devcontainer.json.
    `contested`: the lines of each file of which two branches recorded different values, as path ->
    the values. `contested_bases` chooses among them; `generated` has what is beyond doubt.
    """

    generated: Mapping[str, Json] = field(default_factory=dict)
    ejected: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    is_damaged: bool = False
    version: str = ""
    made: Mapping[str, str] = field(default_factory=dict)
    contested: Mapping[str, Mapping[tuple[str, ...], tuple[Json, ...]]] = field(
        default_factory=dict, compare=False
    )

    def may_own(self, file: str) -> bool:
        """Whether sync generated the file, or may have."""
        return self.is_damaged or file in self.generated or file in self.unknown


class CorruptState(ValueError):
    """The text is not a record of generated files."""


class ForeignPath(ValueError):
    """The record names a path that sync never generates.

    `line` counts from 1; `path` is as the record has it.
    """

    def __init__(self, path: str, line: int) -> None:
        super().__init__(path)
        self.path = path
        self.line = line


def dump(state: State, rules: MergeRules) -> str:
    lines: _Lines = {(file,): None for file in state.unknown}
    for file, value in state.generated.items():
        lines |= {(file, *path): part for path, part in parts(value, rules, ())}
    if state.version:
        lines[_WRITTEN_BY] = state.version
    lines |= {(file, _MADE_BY): version for file, version in state.made.items()}
    for file in state.contested:
        lines = {path: value for path, value in lines.items() if path[0] != file} | {
            path: value for path, value in lines.items() if path[1:] in _SAYING_VERSIONS
        }
    pairs = [*lines.items()]
    for contested in state.contested.values():
        pairs += [(path, value) for path, values in contested.items() for value in values]
    rows = [_row(path, value) for path, value in sorted(pairs, key=lambda pair: pair[0])]
    ejected = [f"{_compact({_EJECTED: file})}," for file in sorted(state.ejected)]
    return "\n".join([_FIRST, *ejected, *rows, _LAST]) + "\n"


def version_in(text: str) -> str:
    """The newest version that a record says wrote it, also where nothing else of it can be read."""
    return versions.newest(*_VERSION.findall(text))


def _row(path: tuple[str, ...], value: Json) -> str:
    return f"{_compact([*path, value])},"


def _compact(value: Json) -> str:
    """One line, the same on every machine."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text if text.isprintable() else json.dumps(value, sort_keys=True, separators=(",", ":"))


def parts(value: Json, rules: MergeRules, path: Path) -> Iterator[tuple[Path, Json]]:
    """The value without the members of its named lists, then each member, in the same way."""
    members: list[tuple[Path, Json]] = []
    yield path, _lift(value, rules, path, members)
    for below, member in members:
        yield from parts(member, rules, below)


def _lift(value: Json, rules: MergeRules, path: Path, members: list[tuple[Path, Json]]) -> Json:
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


def load(text: str, *, skips_foreign: bool = False) -> State:
    """The inverse of `dump`; members of named lists come sorted by name.

    Where a merge kept two different lines for one path, neither is used, nor what is below it:
    the base is then not known there. Raises CorruptState, for conflict markers too, and
    ForeignPath. `skips_foreign`: lines of files that sync never generates are left out instead.
    """
    lines: _Lines = {}
    values: dict[tuple[str, ...], list[Json]] = {}
    unsure: set[tuple[str, ...]] = set()
    ejected: set[str] = set()
    made: dict[str, str] = {}
    for number, row in enumerate(_rows(text), start=1):
        path = (_file(row),) if isinstance(row, dict) else _path(row)
        if path == _WRITTEN_BY:
            continue
        if not may_generate(path[0]):
            if skips_foreign:
                continue
            raise ForeignPath(path[0], _line(text, number))
        if len(path) == 2 and path[1] == _MADE_BY:
            made[path[0]] = versions.newest(made.get(path[0], ""), str(row[-1]))
        elif isinstance(row, dict):
            ejected.add(path[0])
        else:
            value = row[-1]
            if path in lines and lines[path] != value:
                unsure.add(path)
            lines[path] = value
            values.setdefault(path, []).append(value)
    files_in_doubt = {path[0] for path in unsure}
    unsure |= {path for path, value in lines.items() if len(path) == 1 and value is None}
    contested: dict[str, dict[tuple[str, ...], tuple[Json, ...]]] = {
        file: {} for file in files_in_doubt
    }
    for path, candidates in values.items():
        if path[0] in contested:
            contested[path[0]][path] = tuple(copy.deepcopy(candidates[:_MOST_CONTESTED]))
    generated = join(lines, unsure)
    unknown = {path[0] for path in lines} - set(generated)
    return State(
        generated,
        frozenset(ejected),
        frozenset(unknown),
        version=version_in(text),
        made={file: version for file, version in made.items() if version},
        contested=contested,
    )


def _rows(text: str) -> list[Json]:
    if len(text) > _LONGEST:
        raise CorruptState("it is too long")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptState(str(error)) from error
    if not isinstance(rows, list) or len(rows) < 2 or rows[-1] != ["end"]:
        raise CorruptState("its last line is missing")
    return rows[1:-1]


def _file(row: dict[str, Json]) -> str:
    file = row.get(_EJECTED)
    if not isinstance(file, str) or len(row) != 1:
        raise CorruptState("a line of it is not a path and a value")
    return file


def _path(row: Json) -> tuple[str, ...]:
    if not isinstance(row, list) or len(row) < 2 or not all(isinstance(s, str) for s in row[:-1]):
        raise CorruptState("a line of it is not a path and a value")
    if _depth(row[-1]) > _DEEPEST:
        raise CorruptState("a value of it is nested too deeply")
    return tuple(row[:-1])


def _depth(value: Json) -> int:
    """How deep lists and objects are nested in each other; without recursion."""
    depth, level = 0, [value]
    while level := [
        item
        for one in level
        if isinstance(one, (dict, list))
        for item in (one.values() if isinstance(one, dict) else one)
    ]:
        depth += 1
    return depth


def _line(text: str, row: int) -> int:
    """The line that the element `row` of the text's list begins on, from 1."""
    decoder, space = json.JSONDecoder(), re.compile(r"[\s,]*")
    at = text.index("[") + 1
    for number in range(row + 1):
        at = space.match(text, at).end()  # type: ignore[union-attr]
        if number < row:
            at = decoder.raw_decode(text, at)[1]
    return text.count("\n", 0, at) + 1


def join(
    lines: Mapping[tuple[str, ...], Json], unsure: Set[tuple[str, ...]] = frozenset()
) -> dict[str, Json]:
    """Puts members back into the lists of the values; a list sorts before its members."""
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
    """The list that a member belongs to: a line's value holds it under the keys in between."""
    for length in range(len(path) - 2, 0, -1):
        if path[:length] not in placed:
            continue
        value = placed[path[:length]]
        for key in path[length:-1]:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, list) else None
    return None
