"""The rules of the merge, one row each: (before, base, theirs, after)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from innerloop.sync.json_layout import new_file
from innerloop.sync.json_paths import Member, format_path, parse_path
from innerloop.sync.merge_rules import EDITOR_FILES, MergeRules, is_socket
from innerloop.sync.three_way import Merged, keep, merge, take
from innerloop.util.errors import UsageError, UserError
from innerloop.util.json_values import ABSENT
from innerloop.util.jsonc import ParseError, parse


def task(label: str, *args: str) -> dict[str, Any]:
    return {"label": label, "args": list(args)}


TAKEN: dict[str, tuple[str | None, Any, Any, str | None]] = {
    "a new file": (None, None, {"a": [1, {"b": 2}]}, '{\n    "a": [\n        1,\n        {\n            "b": 2\n        }\n    ]\n}\n'),
    "an empty file": ("", None, {"a": 1}, '{\n    "a": 1\n}\n'),
    "a file with a comment": ("// mine", None, {"a": 1}, '// mine\n{\n    "a": 1\n}\n'),
    "yours is base: change": ('{"a": 1}', {"a": 1}, {"a": 2}, '{"a": 2}'),
    "yours is base: remove": ('{"a": 1, "b": 2}', {"a": 1, "b": 2}, {"b": 2}, '{"b": 2}'),
    "add": ('{"a": 1}', {"a": 1}, {"a": 1, "b": 2}, '{"a": 1, "b": 2}'),
    "a file goes": ('{"a": 1}', {"a": 1}, None, None),
    "a file goes, its comments stay": ('{\n  // mine\n  "a": 1\n}', {"a": 1}, None, "{\n  // mine\n}"),
    "a file goes, own keys stay": ('{"a": 1, "own": 2}', {"a": 1}, None, '{"own": 2}'),
    "deep": ('{"a": {"b": {"own": 1, "c": 1}}}', {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, '{"a": {"b": {"own": 1, "c": 2}}}'),
    "a branch goes, own keys stay": ('{"a": {"b": 1, "own": 2}}', {"a": {"b": 1}}, {}, '{"a": {"own": 2}}'),
    "a member by its name": (
        '{"tasks": [{"label": "own"}, {"label": "b", "args": []}, {"args": ["x"], "label": "a"}]}',
        {"tasks": [task("a", "x"), task("b")]},
        {"tasks": [task("a", "y"), task("b")]},
        '{"tasks": [{"label": "own"}, {"label": "b", "args": []}, {"args": ["y"], "label": "a"}]}',
    ),
    "a new member behind its neighbour": (
        '{"tasks": [{"label": "a", "args": []}, {"label": "own"}]}',
        {"tasks": [task("a")]},
        {"tasks": [task("a"), task("b")]},
        '{"tasks": [{"label": "a", "args": []}, {"label": "b", "args": []}, {"label": "own"}]}',
    ),
    "a new member in front of its neighbour": (
        '{"tasks": [{"label": "own"}, {"label": "b", "args": []}]}',
        {"tasks": [task("b")]},
        {"tasks": [task("a"), task("b")]},
        '{"tasks": [{"label": "own"}, {"label": "a", "args": []}, {"label": "b", "args": []}]}',
    ),
    "a member goes": (
        '{\n"tasks": [\n  {"label": "a", "args": []},\n  {"label": "own"} // own\n]}',
        {"tasks": [task("a")]}, {"tasks": []},
        '{\n"tasks": [\n  {"label": "own"} // own\n]}',
    ),
    "a member goes, own keys stay with its name": (
        '{"tasks": [{"label": "a", "args": [], "own": 1}]}',
        {"tasks": [task("a")]}, {"tasks": []},
        '{"tasks": [{"label": "a", "own": 1}]}',
    ),
    "of two with one name the first is ours": (
        '{"tasks": [{"label": "a", "args": []}, {"label": "a", "own": 1}]}',
        {"tasks": [task("a")]}, {"tasks": []},
        '{"tasks": [{"label": "a", "own": 1}]}',
    ),
    "pick lists in inputs": (
        '{"inputs": [{"id": "e", "options": ["own", "b"]}]}',
        {"inputs": [{"id": "e", "options": ["a", "b"]}]},
        {"inputs": [{"id": "e", "options": ["a", "b", "c"]}]},
        '{"inputs": [{"id": "e", "options": ["own", "b", "c"]}]}',
    ),
    "a set by value": (
        '{"forwardPorts": [9000, 8888, 6006]}',
        {"forwardPorts": [8888, 6006]}, {"forwardPorts": [6006, 5000]},
        '{"forwardPorts": [9000, 6006, 5000]}',
    ),
    "what was removed from a set stays out": (
        '{"recommendations": ["c"]}',
        {"recommendations": ["a"]}, {"recommendations": ["a", "b"]},
        '{"recommendations": ["c", "b"]}',
    ),
    "a sequence whole": ('{"runArgs": ["--shm-size", "2g"]}', {"runArgs": ["--shm-size", "2g"]}, {"runArgs": ["--shm-size", "4g"]}, '{"runArgs": ["--shm-size", "4g"]}'),
    "state lost: missing keys are added": ('{"own": 1, "a": 1}', None, {"a": 1, "b": 2}, '{"own": 1, "a": 1, "b": 2}'),
    "of keys there twice, the last is changed": ('{"a": 1, "a": 2}', {"a": 2}, {"a": 3}, '{"a": 1, "a": 3}'),
    "of keys there twice, the first stays": ('{"a": 1, "a": 2}', {"a": 2}, {}, '{"a": 1}'),
}  # fmt: skip

NOOP: dict[str, tuple[str | None, Any, Any]] = {
    "equal": ('{"a" :1}', {"a": 1}, {"a": 1}),
    "equal by chance": ('{"a" :2}', {"a": 1}, {"a": 2}),
    "equal, state lost": ('// mine\n{"a":1}', None, {"a": 1}),
    "a key was changed": ('{"a": 9}', {"a": 1}, {"a": 1}),
    "a key was removed": ("{}", {"a": 1}, {"a": 1}),
    "a removed key was to change": ("{}", {"a": 1}, {"a": 2}),
    "a removed branch was to grow": ("{}", {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}),
    "a removed key was to go": ("{}", {"a": 1}, {}),
    "a key was added": ('{"a": 1, "own": 2}', {"a": 1}, {"a": 1}),
    "a file was removed": (None, {"a": 1}, {"a": 2}),
    "a file was removed and was to go": (None, {"a": 1}, None),
    "no file": (None, None, None),
    "a file that was never ours": ('{"own": 1}', None, None),
    "a file was emptied": ("\n", {"a": 1}, {"a": 2}),
    "a member was removed": ('{"tasks": []}', {"tasks": [task("a")]}, {"tasks": [task("a", "x")]}),
    "members in another order": (
        '{"tasks": [{"label": "b", "args": []}, {"label": "a", "args": []}]}',
        {"tasks": [task("a"), task("b")]}, {"tasks": [task("a"), task("b")]},
    ),
    "members without a name": (
        '{"tasks": [3, {"x": 1}, {"label": 5}, {"label": "a", "args": []}]}',
        {"tasks": [task("a")]}, {"tasks": [task("a")]},
    ),
    "a list was made a map": ('{"tasks": {}}', {"tasks": []}, {"tasks": []}),
    "a set in another order": (
        '{"forwardPorts": [2, 1]}', {"forwardPorts": [1, 2]}, {"forwardPorts": [2, 1]},
    ),
    "a sequence was changed": ('{"runArgs": ["b"]}', {"runArgs": ["a"]}, {"runArgs": ["a"]}),
}  # fmt: skip

# (before, base, theirs, paths of the conflicts)
CONFLICTS: dict[str, tuple[str, Any, Any, list[str]]] = {
    "a key": ('{"a": 9}', {"a": 1}, {"a": 2}, ["a"]),
    "a key that was to go": ('{"a": 9}', {"a": 1}, {}, ["a"]),
    "state lost": ('{"a": 9}', None, {"a": 2}, ["a"]),
    "true is not 1": ('{"a": true}', None, {"a": 1}, ["a"]),
    "null is something": ('{"a": null}', {"a": 1}, {"a": 2}, ["a"]),
    "a sequence": ('{"runArgs": ["a", "b"]}', {"runArgs": ["a"]}, {"runArgs": ["c"]}, ["runArgs"]),
    "in a member": (
        '{"tasks": [{"label": "run a", "args": ["own"]}]}',
        {"tasks": [task("run a", "x")]}, {"tasks": [task("run a", "y")]},
        ['tasks["run a"].args'],
    ),
    "in a member that was to go": (
        '{"tasks": [{"label": "a", "args": ["own"], "x": 1}]}',
        {"tasks": [task("a")]}, None, ['tasks["a"].args'],
    ),
    "a key with dots": ('{"settings": {"a.b": 9}}', None, {"settings": {"a.b": 1}}, ['settings["a.b"]']),
    "another kind": ('{"a": []}', {"a": {}}, {"a": {"b": 1}}, ["a"]),
    "the whole": ("[1]", {"a": 1}, {"a": 2}, ["."]),
    "a hidden key in a sequence": ('{"x": [{"a": 1, "a": 2}]}', {"x": [{"a": 2}]}, {"x": []}, ["x"]),
}  # fmt: skip


def twice(yours: str | None, base: Any, theirs: Any, rules: MergeRules = EDITOR_FILES) -> Merged:
    merged = merge(yours, base, theirs, rules, "f.json")
    again = merge(merged.text, merged.base, theirs, rules, "f.json")
    assert (again.text, again.base) == (merged.text, merged.base)
    assert [c.path for c in again.conflicts] == [c.path for c in merged.conflicts]
    return merged


@pytest.mark.parametrize(("before", "base", "theirs", "after"), TAKEN.values(), ids=TAKEN)
def test_taken(before: str | None, base: Any, theirs: Any, after: str | None) -> None:
    merged = twice(before, base, theirs)
    assert (merged.text, merged.conflicts) == (after, ())
    assert merged.base == theirs


@pytest.mark.parametrize(("before", "base", "theirs"), NOOP.values(), ids=NOOP)
def test_noop(before: str | None, base: Any, theirs: Any) -> None:
    merged = twice(before, base, theirs)
    assert (merged.text, merged.conflicts) == (before, ())
    assert merged.base == theirs


@pytest.mark.parametrize(("before", "base", "theirs", "paths"), CONFLICTS.values(), ids=CONFLICTS)
def test_conflicts_keep_yours_until_resolved(
    before: str, base: Any, theirs: Any, paths: list[str]
) -> None:
    merged = twice(before, base, theirs)
    assert [conflict.path for conflict in merged.conflicts] == paths
    for path in paths:
        kept = keep(before, base, theirs, EDITOR_FILES, path, "f.json")
        assert (kept.text, kept.conflicts) == (merged.text, ())
        taken = take(before, base, theirs, EDITOR_FILES, path, "f.json")
        assert taken.conflicts == ()
        again = merge(taken.text, taken.base, theirs, EDITOR_FILES)
        assert (again.text, again.conflicts) == (taken.text, ())


def test_conflict_names_position_and_values() -> None:
    merged = merge('{\n  "a": "mine"\n}', {"a": 1}, {"a": [2]}, EDITOR_FILES)
    (conflict,) = merged.conflicts
    assert (conflict.line, conflict.column) == (2, 8)
    assert (conflict.yours, conflict.base, conflict.theirs) == ("mine", 1, [2])
    assert conflict.message == (
        'a is yours ("mine") and was kept, but the generated value changed from 1 to [2]'
    )
    assert merge('{"a": 9}', {"a": 1}, {}, EDITOR_FILES).conflicts[0].theirs is ABSENT
    assert merge('{"a": 9}', None, {"a": 1}, EDITOR_FILES).conflicts[0].base is ABSENT


def test_kept_value_conflicts_again_when_theirs_changes() -> None:
    kept = keep('{"a": 9}', {"a": 1}, {"a": 2}, EDITOR_FILES, "a")
    assert kept.base == {"a": 2}
    assert merge(kept.text, kept.base, {"a": 3}, EDITOR_FILES).conflicts


def test_take_of_a_branch_resolves_all_conflicts_in_it() -> None:
    yours = '{"a": {"b": 9, "c": 9, "own": 1}, "d": 9}'
    base, theirs = {"a": {"b": 1, "c": 1}, "d": 1}, {"a": {"b": 2, "c": 2}, "d": 2}
    taken = take(yours, base, theirs, EDITOR_FILES, "a")
    assert taken.text == '{"a": {"b": 2, "c": 2, "own": 1}, "d": 9}'
    assert [conflict.path for conflict in taken.conflicts] == ["d"]


def test_path_without_conflict_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UserError, match=r"no conflict at b\. Conflicts are at: a$"):
        take('{"a": 9}', {"a": 1}, {"a": 2}, EDITOR_FILES, "b", "f.json")
    with pytest.raises(UserError, match="^f.json: there is no conflict in this file$"):
        take('{"a": 1}', {"a": 1}, {"a": 2}, EDITOR_FILES, ".", "f.json")


def test_kept_entries_of_a_removed_file_are_named() -> None:
    yours = '{\n  "name": "a",\n  "settings": {"target": "dev", "own": 1},\n  "mine": 2,\n  "forwardPorts": [1, 2]\n}'
    base = {"name": "a", "settings": {"target": "dev"}, "forwardPorts": [1]}
    merged = twice(yours, base, None)
    assert merged.text == '{\n  "settings": {"own": 1},\n  "mine": 2,\n  "forwardPorts": [2]\n}'
    assert [(kept.path, kept.line) for kept in merged.kept] == [
        ("settings.own", 3),
        ("mine", 4),
        ("forwardPorts", 5),
    ]


def test_removed_file_with_comments_stays_and_says_so() -> None:
    merged = twice('// mine\n{"a": 1}\n', {"a": 1}, None)
    assert merged.text == "// mine\n{}\n"
    assert merged.kept[0].message == "a comment is yours and stays, the rest of it was removed"


def test_list_with_equal_names_is_a_sequence() -> None:
    base = {"tasks": [task("a"), task("a")]}
    yours = '{"tasks": [{"label": "a", "args": []}, {"label": "a", "args": []}]}'
    assert (
        twice(yours, base, {"tasks": [task("b")]}).text == '{"tasks": [{"label": "b", "args": []}]}'
    )
    assert twice('{"tasks": [1]}', base, {"tasks": []}).conflicts[0].path == "tasks"


def test_invalid_json_is_an_error_with_its_position() -> None:
    with pytest.raises(ParseError) as caught:
        merge('{\n"a": 1,,}', {"a": 1}, {"a": 2}, EDITOR_FILES, ".vscode/tasks.json")
    assert caught.value.message().startswith(".vscode/tasks.json:2:8: expected a key, found ,. ")


# A container that is built from a Dockerfile, with the engine's socket in it.
SOCKET = {"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}
CACHE = {"type": "volume", "source": "cache", "target": "/cache"}
OURS = {
    "name": "workspace",
    "build": {"dockerfile": "Dockerfile"},
    "runArgs": ["--network", "host"],
    "overrideCommand": False,
    "remoteUser": "dev",
    "mounts": [SOCKET, CACHE],
}
NEWER = {**OURS, "build": {"dockerfile": "Dockerfile", "target": "dev"}, "forwardPorts": [8888]}


def value(merged: Merged) -> dict[str, Any]:
    found = parse(merged.text or "").value
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "edit",
    [
        {"image": "python:3.13", "build": None},
        {"dockerComposeFile": "compose.yml", "service": "app", "build": None},
        {"remoteUser": "me"},
        {"containerUser": "me"},
        {"overrideCommand": None},
        {"runArgs": ["--network", "host", "--gpus", "all"]},
        {"mounts": [CACHE]},
    ],
    ids=lambda edit: " ".join(edit),
)
def test_keys_of_a_container_are_left_together(edit: dict[str, Any]) -> None:
    """The person changed one of them: theirs stay as they are, and the rest of the file merges."""
    yours = {key: item for key, item in {**OURS, **edit}.items() if item is not None}
    merged = twice(new_file(yours), OURS, NEWER)
    assert value(merged) == {**yours, "forwardPorts": [8888]}
    (conflict,) = merged.conflicts
    assert "build" in conflict.keys
    for path in ("build", conflict.path):
        taken = take(new_file(yours), OURS, NEWER, EDITOR_FILES, path)
        assert value(taken) == {**NEWER, "mounts": value(taken)["mounts"]}
        assert SOCKET in value(taken)["mounts"]
        assert not twice(taken.text, taken.base, NEWER).conflicts
        kept = keep(new_file(yours), OURS, NEWER, EDITOR_FILES, path)
        assert (kept.text, kept.conflicts) == (merged.text, ())
        assert not twice(kept.text, kept.base, NEWER).conflicts


def test_keys_of_a_container_are_taken_together() -> None:
    yours = {
        **OURS,
        "name": "mine",
        "mounts": [SOCKET, {"source": "data", "target": "/data"}, CACHE],
    }
    theirs = {**NEWER, "mounts": [CACHE], "remoteUser": "root"}
    merged = twice(new_file(yours), OURS, theirs)
    assert not merged.conflicts
    mounts = [{"source": "data", "target": "/data"}, CACHE]
    assert value(merged) == {**theirs, "name": "mine", "mounts": mounts}


def test_keys_of_a_container_that_were_removed_stay_removed() -> None:
    yours = {"name": "workspace", "mounts": [CACHE]}
    merged = twice(new_file(yours), OURS, NEWER)
    assert (value(merged), merged.conflicts) == ({**yours, "forwardPorts": [8888]}, ())


def test_container_without_base_gets_none_of_the_group() -> None:
    """Such a file is not merged at all; a damaged record makes it possible."""
    yours = {"image": "python:3.13", "mounts": ["source=data,target=/data"]}
    merged = twice(new_file(yours), None, OURS)
    left = value(merged)
    assert left.pop("mounts") == ["source=data,target=/data", CACHE]
    assert left == {"image": "python:3.13", "name": "workspace"}
    assert [conflict.path for conflict in merged.conflicts] == ["image"]


def test_container_of_the_persons_stays_when_none_is_generated() -> None:
    yours = {**OURS, "image": "x"}
    merged = twice(new_file(yours), OURS, None)
    group = {key: item for key, item in yours.items() if key != "name"}
    assert value(merged) == {**group, "mounts": [SOCKET]}
    assert take(new_file(yours), OURS, None, EDITOR_FILES, "image").text is None


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (SOCKET, True),
        ("source=/var/run/docker.sock,target=/var/run/docker.sock,type=bind", True),
        ("/run/user/1000/podman/podman.sock:/var/run/docker.sock", True),
        (CACHE, False),
        ("source=data,target=/sock,type=volume", False),
        (3, False),
    ],
)
def test_is_socket(mount: Any, expected: bool) -> None:
    assert is_socket(mount) is expected


PATHS = {
    'tasks["run svm"].args': ("tasks", Member("run svm"), "args"),
    '["a.b"]["c"]': (Member("a.b"), Member("c")),
    'a["\\"\\\\é"]': ("a", Member('"\\é')),
    ".": (),
    "a-b.$c._d": ("a-b", "$c", "_d"),
}


@pytest.mark.parametrize(("text", "path"), PATHS.items(), ids=PATHS)
def test_paths(text: str, path: tuple[str, ...]) -> None:
    assert parse_path(text) == path
    assert format_path(path) == text
    assert format_path(parse_path(text)) == text


def test_names_may_be_in_single_quotes() -> None:
    assert parse_path("tasks['run svm']") == ("tasks", "run svm")


@pytest.mark.parametrize("text", ["", "a..b", "a[b]", "a b", 'a["b]', 'a["b"]c', "a.", '["\\x"]'])
def test_not_paths(text: str) -> None:
    with pytest.raises(UsageError):
        parse_path(text)


def many(count: int) -> dict[str, Any]:
    names = [f"experiment_{number}" for number in range(count)]
    tasks = [{**task(f"run {n}", "run", n), "type": "process", "command": "loop"} for n in names]
    return {"tasks": tasks, "inputs": [{"id": "e", "options": names}]}


def seconds(count: int) -> float:
    """The best of three merges in which each task changes and a third of them goes."""
    base, theirs = many(count), many(count * 2 // 3)
    for entry in theirs["tasks"]:
        entry["command"] = "scripts/loop"
    text = (merge(None, None, base, EDITOR_FILES).text or "").replace("{", "{ // mine")
    best = 9e9
    for _ in range(5):
        start = time.process_time()
        merge(text, base, theirs, EDITOR_FILES)
        best = min(best, time.process_time() - start)
    return best


def test_the_time_grows_with_the_size_and_not_with_its_square() -> None:
    assert seconds(1600) < 16 * max(seconds(400), 0.01)  # four would be linear, sixteen the square
