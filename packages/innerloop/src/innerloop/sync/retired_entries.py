"""Tasks and inputs that are no longer generated, and that a person edited or still uses. Pure.

Such an entry stays whole, as if it were generated as before: half of an edited task would start
nothing, and a task of the person's own would ask for an input that is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..util.json_values import Json, same
from ..util.late_patterns import late_pattern
from .merge_rules import EDITOR_FILES

# The lists of tasks.json, with the key that names their entries.
_LISTS = {"tasks": "label", "inputs": "id"}
_INPUT = late_pattern(r"\$\{input:([^}]+)\}")
# Tasks of one experiment, which go with it.
_OF_AN_EXPERIMENT = ("debug ", "folders for the outputs of ")

Entries = dict[tuple[str, str], Json]


def with_kept(
    yours: Json, base: Json, theirs: Json, started: Iterable[str], experiments: Sequence[str]
) -> tuple[Json, list[str]]:
    """What is generated with the entries that stay as they were before, and the names of these.

    `started` are the labels of tasks that launch configurations start. The pick list of experiments
    goes on to have all of them.
    """
    stays = _kept(yours, base, theirs, started)
    before, result = _entries(base), dict(theirs)
    if (path := ("inputs", "experiment")) in stays and experiments:
        before[path] = {**before[path], "options": list(experiments)}
    for key in _LISTS:
        if more := [before[path] for path in stays if path[0] == key]:
            result[key] = [*result.get(key, []), *more]
    return result, [name for _, name in stays]


def started_tasks(launch: Json) -> set[str]:
    """The labels of the tasks that a launch.json starts."""
    keys = ("preLaunchTask", "postDebugTask")
    return {
        str(one[key])
        for entries in _lists(launch, ("configurations", "compounds"))
        for one in entries
        if isinstance(one, dict)
        for key in keys
        if isinstance(one.get(key), str)
    }


def _kept(yours: Json, base: Json, theirs: Json, started: Iterable[str]) -> list[tuple[str, str]]:
    here, before, now = _entries(yours), _entries(base), _entries(theirs)
    retired = {
        path: value
        for path, value in before.items()
        if path in here and path not in now and not path[1].startswith(_OF_AN_EXPERIMENT)
    }
    used = {("tasks", label) for label in started}
    # What the person wrote or changed, and what that refers to.
    own = [
        path
        for path, value in here.items()
        if path not in before or not _is_equal(value, before[path], path)
    ]
    stays = {path for path in own if path in retired}
    todo = [here[path] for path in own]
    todo += [retired[path] for path in used if path in retired]
    stays |= {path for path in used if path in retired}
    while todo:
        for path in _references(todo.pop()):
            if path in retired and path not in stays:
                stays.add(path)
                todo.append(here[path])
    return [path for path in before if path in stays]


def _is_equal(one: Json, other: Json, path: tuple[str, str]) -> bool:
    return same(EDITOR_FILES.by_name(one, path), EDITOR_FILES.by_name(other, path))


def _entries(value: Json) -> Entries:
    """The named entries of a file by their list and name; empty for a file of another shape."""
    return {
        (key, str(one[name])): one
        for key, name in _LISTS.items()
        for entries in _lists(value, (key,))
        for one in entries
        if isinstance(one, dict) and isinstance(one.get(name), str)
    }


def _lists(value: Json, keys: Iterable[str]) -> Iterator[list[Any]]:
    if isinstance(value, Mapping):
        for key in keys:
            if isinstance(value.get(key), list):
                yield value[key]


def _references(entry: Json) -> Iterator[tuple[str, str]]:
    """The inputs that an entry asks for, and the tasks that it depends on."""
    if isinstance(entry, dict):
        needed = entry.get("dependsOn", [])
        for label in needed if isinstance(needed, list) else [needed]:
            if isinstance(label, str):
                yield "tasks", label
        for value in entry.values():
            yield from _references(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _references(value)
    elif isinstance(entry, str):
        for name in _INPUT.findall(entry):
            yield "inputs", name
