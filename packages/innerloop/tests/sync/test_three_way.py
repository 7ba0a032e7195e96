"""The rules, one row each: (before, last, wanted, after); noop rows leave the text as it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from innerloop.sync.json_paths import Member, format_path, parse_path
from innerloop.sync.merge_rules import EDITOR_FILES, Rules
from innerloop.sync.three_way import Merged, keep, merge, take
from innerloop.util.errors import UsageError, UserError
from innerloop.util.json_values import ABSENT
from innerloop.util.jsonc import ParseError


def task(label: str, *args: str) -> dict[str, Any]:
    return {"label": label, "args": list(args)}


TAKEN: dict[str, tuple[str | None, Any, Any, str | None]] = {
    "a new file": (None, None, {"a": [1, {"b": 2}]}, '{\n    "a": [\n        1,\n        {\n            "b": 2\n        }\n    ]\n}\n'),
    "an empty file": ("", None, {"a": 1}, '{\n    "a": 1\n}\n'),
    "a file with a comment": ("// mine", None, {"a": 1}, '// mine\n{\n    "a": 1\n}\n'),
    "found is last: change": ('{"a": 1}', {"a": 1}, {"a": 2}, '{"a": 2}'),
    "found is last: remove": ('{"a": 1, "b": 2}', {"a": 1, "b": 2}, {"b": 2}, '{"b": 2}'),
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
    "memory lost: missing keys are added": ('{"own": 1, "a": 1}', None, {"a": 1, "b": 2}, '{"own": 1, "a": 1, "b": 2}'),
    "of keys there twice, the last is changed": ('{"a": 1, "a": 2}', {"a": 2}, {"a": 3}, '{"a": 1, "a": 3}'),
    "of keys there twice, the first stays": ('{"a": 1, "a": 2}', {"a": 2}, {}, '{"a": 1}'),
}  # fmt: skip

NOOP: dict[str, tuple[str | None, Any, Any]] = {
    "equal": ('{"a" :1}', {"a": 1}, {"a": 1}),
    "equal by chance": ('{"a" :2}', {"a": 1}, {"a": 2}),
    "equal, memory lost": ('// mine\n{"a":1}', None, {"a": 1}),
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

# (before, last, wanted, paths of the clashes)
CLASHES: dict[str, tuple[str, Any, Any, list[str]]] = {
    "a key": ('{"a": 9}', {"a": 1}, {"a": 2}, ["a"]),
    "a key that was to go": ('{"a": 9}', {"a": 1}, {}, ["a"]),
    "memory lost": ('{"a": 9}', None, {"a": 2}, ["a"]),
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


def twice(found: str | None, last: Any, wanted: Any, rules: Rules = EDITOR_FILES) -> Merged:
    merged = merge(found, last, wanted, rules, "f.json")
    again = merge(merged.text, merged.last, wanted, rules, "f.json")
    assert (again.text, again.last) == (merged.text, merged.last)
    assert [c.path for c in again.clashes] == [c.path for c in merged.clashes]
    return merged


@pytest.mark.parametrize(("before", "last", "wanted", "after"), TAKEN.values(), ids=TAKEN)
def test_taken(before: str | None, last: Any, wanted: Any, after: str | None) -> None:
    merged = twice(before, last, wanted)
    assert (merged.text, merged.clashes) == (after, ())
    assert merged.last == wanted


@pytest.mark.parametrize(("before", "last", "wanted"), NOOP.values(), ids=NOOP)
def test_noop(before: str | None, last: Any, wanted: Any) -> None:
    merged = twice(before, last, wanted)
    assert (merged.text, merged.clashes) == (before, ())
    assert merged.last == wanted


@pytest.mark.parametrize(("before", "last", "wanted", "paths"), CLASHES.values(), ids=CLASHES)
def test_clashes_keep_what_is_the_persons_until_settled(
    before: str, last: Any, wanted: Any, paths: list[str]
) -> None:
    merged = twice(before, last, wanted)
    assert [clash.path for clash in merged.clashes] == paths
    for path in paths:
        kept = keep(before, last, wanted, EDITOR_FILES, path, "f.json")
        assert (kept.text, kept.clashes) == (merged.text, ())
        taken = take(before, last, wanted, EDITOR_FILES, path, "f.json")
        assert taken.clashes == ()
        again = merge(taken.text, taken.last, wanted, EDITOR_FILES)
        assert (again.text, again.clashes) == (taken.text, ())


def test_a_clash_says_where_and_what() -> None:
    merged = merge('{\n  "a": "mine"\n}', {"a": 1}, {"a": [2]}, EDITOR_FILES)
    (clash,) = merged.clashes
    assert (clash.line, clash.column) == (2, 8)
    assert (clash.found, clash.last, clash.wanted) == ("mine", 1, [2])
    assert clash.message == (
        'a is yours ("mine") and was kept, but what was rendered there changed from 1 to [2]'
    )
    assert merge('{"a": 9}', {"a": 1}, {}, EDITOR_FILES).clashes[0].wanted is ABSENT
    assert merge('{"a": 9}', None, {"a": 1}, EDITOR_FILES).clashes[0].last is ABSENT


def test_what_is_kept_is_clashing_again_when_more_is_wanted() -> None:
    kept = keep('{"a": 9}', {"a": 1}, {"a": 2}, EDITOR_FILES, "a")
    assert kept.last == {"a": 2}
    assert merge(kept.text, kept.last, {"a": 3}, EDITOR_FILES).clashes


def test_taking_a_branch_settles_all_clashes_in_it() -> None:
    found = '{"a": {"b": 9, "c": 9, "own": 1}, "d": 9}'
    last, wanted = {"a": {"b": 1, "c": 1}, "d": 1}, {"a": {"b": 2, "c": 2}, "d": 2}
    taken = take(found, last, wanted, EDITOR_FILES, "a")
    assert taken.text == '{"a": {"b": 2, "c": 2, "own": 1}, "d": 9}'
    assert [clash.path for clash in taken.clashes] == ["d"]


def test_a_path_without_a_clash_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UserError, match=r"no clash at b\. Clashes are at: a$"):
        take('{"a": 9}', {"a": 1}, {"a": 2}, EDITOR_FILES, "b", "f.json")
    with pytest.raises(UserError, match="^f.json: there is no clash in this file$"):
        take('{"a": 1}', {"a": 1}, {"a": 2}, EDITOR_FILES, ".", "f.json")


def test_what_stays_of_a_person_is_named() -> None:
    found = '{\n  "name": "a",\n  "build": {"target": "dev", "own": 1},\n  "mine": 2,\n  "forwardPorts": [1, 2]\n}'
    last = {"name": "a", "build": {"target": "dev"}, "forwardPorts": [1]}
    merged = twice(found, last, None)
    assert merged.text == '{\n  "build": {"own": 1},\n  "mine": 2,\n  "forwardPorts": [2]\n}'
    assert [(kept.path, kept.line) for kept in merged.kept] == [
        ("build.own", 3),
        ("mine", 4),
        ("forwardPorts", 5),
    ]


def test_a_file_that_stays_for_its_comments_says_so() -> None:
    merged = twice('// mine\n{"a": 1}\n', {"a": 1}, None)
    assert merged.text == "// mine\n{}\n"
    assert merged.kept[0].message == "a comment is yours and stays, the rest of it was removed"


def test_a_list_whose_names_do_not_hold_is_a_sequence() -> None:
    last = {"tasks": [task("a"), task("a")]}
    found = '{"tasks": [{"label": "a", "args": []}, {"label": "a", "args": []}]}'
    assert (
        twice(found, last, {"tasks": [task("b")]}).text == '{"tasks": [{"label": "b", "args": []}]}'
    )
    assert twice('{"tasks": [1]}', last, {"tasks": []}).clashes[0].path == "tasks"


def test_what_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(ParseError) as caught:
        merge('{\n"a": 1,,}', {"a": 1}, {"a": 2}, EDITOR_FILES, ".vscode/tasks.json")
    assert caught.value.message().startswith(".vscode/tasks.json:2:8: expected a key, found ,. ")


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
    last, wanted = many(count), many(count * 2 // 3)
    for entry in wanted["tasks"]:
        entry["command"] = "scripts/loop"
    text = (merge(None, None, last, EDITOR_FILES).text or "").replace("{", "{ // mine")
    best = 9e9
    for _ in range(3):
        start = time.perf_counter()
        merge(text, last, wanted, EDITOR_FILES)
        best = min(best, time.perf_counter() - start)
    return best


def test_the_time_grows_with_the_size_and_not_with_its_square() -> None:
    assert seconds(1600) < 16 * max(seconds(400), 0.01)  # four would be linear, sixteen the square
