"""The text of the state file: small, stable, and made for `git merge`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerloop.sync.merge_rules import EDITOR_FILES
from innerloop.sync.state_file import CorruptState, ForeignPath, State, dump, load, version_in

TASKS = ".vscode/tasks.json"


def state_of(*names: str) -> State:
    files: dict[str, Any] = {f".devcontainer/{n}/devcontainer.json": {"name": n} for n in names}
    files[TASKS] = {
        "version": "2.0.0",
        "tasks": [{"label": f"run {name}", "args": [name]} for name in names],
        "inputs": [{"id": "experiment", "options": list(names)}],
    }
    return State(files, frozenset({".vscode/settings.json"}))


def test_a_line_for_each_file_and_each_member() -> None:
    assert dump(state_of("a"), EDITOR_FILES).splitlines() == [
        '[["What `loop sync` generated last. Keep it in git; without it, sync leaves edited files alone."],',
        '{"ejected":".vscode/settings.json"},',
        '[".devcontainer/a/devcontainer.json",{"name":"a"}],',
        '[".vscode/tasks.json",{"inputs":[],"tasks":[],"version":"2.0.0"}],',
        '[".vscode/tasks.json","inputs","experiment",{"id":"experiment","options":[]}],',
        '[".vscode/tasks.json","inputs","experiment","options","a","a"],',
        '[".vscode/tasks.json","tasks","run a",{"args":["a"],"label":"run a"}],',
        '["end"]]',
    ]


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b.c", "é \u00a0$(x)")])
def test_it_comes_back(names: tuple[str, ...]) -> None:
    state = state_of(*names)
    assert load(dump(state, EDITOR_FILES)) == state


def test_odd_values_come_back() -> None:
    odd = {"1": 1.5, "tasks": [1, {"label": "a"}], "inputs": {"tasks": []}, "": None}
    names = (TASKS, ".vscode/launch.json", *(f".devcontainer/{n}/devcontainer.json" for n in "hi"))
    values: list[Any] = [odd, 3, [], {"tasks": [{"label": "a"}, {"label": "a"}]}]
    state = State(dict(zip(names, values, strict=True)))
    assert load(dump(state, EDITOR_FILES)) == state


def test_no_line_changes_when_a_neighbour_comes() -> None:
    before = dump(state_of("a", "c"), EDITOR_FILES).splitlines()
    after = dump(state_of("a", "b", "c"), EDITOR_FILES).splitlines()
    assert [line for line in after if line in before] == before


CORRUPT = {
    "nothing": "",
    "half": dump(state_of("a"), EDITOR_FILES)[:200],
    "no end": dump(state_of("a"), EDITOR_FILES).replace('"end"', '"a"'),
    "another form": '{"a": "digest"}',
    "not a path": '[[""],\n["a", 1, 2],\n["end"]]',
    "a bare value": '[[""],\n"a",\n["end"]]',
    "an unknown line": '[[""],\n{"a": 1},\n["end"]]',
    "a deep value": f'[[""],\n["{TASKS}",{"[" * 60 + "]" * 60}],\n["end"]]',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", CORRUPT.values(), ids=CORRUPT)
def test_corrupt(text: str) -> None:
    with pytest.raises(CorruptState):
        load(text)


FOREIGN = [
    "../a", "../../../etc/passwd", "/etc/passwd", "C:/a", "C:a", "src/line/train.py", "README.md",
    ".git/hooks/pre-commit", ".git/config", ".GIT/config", ".vscode/../../a", "./.vscode/tasks.json",
    ".vscode//tasks.json", ".VSCODE/tasks.json", ".vscode/Tasks.json", ".vscode\\tasks.json", "",
    ".", "..", "/", ".vscode", ".vscode/", ".vscode/tasks.json/", ".vscode/tasks.json\0", "CON",
    ".vscode/tasks.json ", ".vscode/tasks.json\n", ".vscode/keybindings.json", ".devcontainer/devcontainer.json/x",
    ".devcontainer/../devcontainer.json", ".devcontainer/./devcontainer.json",
    ".devcontainer/a/b/devcontainer.json", ".devcontainer/.ssh/devcontainer.json",
    ".devcontainer//devcontainer.json", ".devcontainer/a\\b/devcontainer.json",
    ".devcontainer/C:/devcontainer.json", ".devcontainer/CON/devcontainer.json",
    ".devcontainer/nul.x/devcontainer.json", ".devcontainer/a\x1b[31m/devcontainer.json",
    ".devcontainer/a\ud83d/devcontainer.json", f".devcontainer/{'a' * 201}/devcontainer.json",
    ".devcontainer/a./devcontainer.json", ".devcontainer/a /devcontainer.json",
    ".github/workflows/deploy.yml", ".github/workflows/train-.yml", ".github/workflows/train-a.yaml",
    ".github/workflows/train-../../x.yml", ".github/workflows/train-a/b.yml",
    ".github/workflows/CI.yml", ".github/CODEOWNERS", "orchestration/argo/.yml",
    "orchestration/argo/../x.yml", "orchestration/argo/con.yml", "orchestration/README.md",
    "orchestration/azure-devops/train-lpt1/../x.yml", ".innerloop/state.json", "pyproject.toml",
    "scripts/loop", "a" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: ascii(path)[:40])
@pytest.mark.parametrize("form", ["value", "unknown", "member", "ejected"])
def test_a_path_that_is_never_generated_is_named_with_its_line(path: str, form: str) -> None:
    row: Any = {
        "value": [path, {"name": "a"}],
        "unknown": [path, None],
        "member": [path, "tasks", "a", 1],
        "ejected": {"ejected": path},
    }[form]
    lines = dump(state_of("a"), EDITOR_FILES).splitlines()
    text = "\n".join([*lines[:3], json.dumps(row) + ",", *lines[3:]])
    with pytest.raises(ForeignPath) as raised:
        load(text)
    assert (raised.value.path, raised.value.line) == (path, 4)


def test_lines_that_contradict_leave_the_base_unknown() -> None:
    text = dump(state_of("a", "b"), EDITOR_FILES)
    doubled = text.replace(
        '["end"]]', '[".vscode/tasks.json","tasks","run a",{"label":"run a"}],\n["end"]]'
    )
    tasks = load(doubled).generated[TASKS]["tasks"]
    assert [task["label"] for task in tasks] == ["run b"]
    whole = text.replace('["end"]]', '[".vscode/tasks.json",{"tasks":[]}],\n["end"]]')
    assert TASKS not in load(whole).generated
    assert len(load(whole).generated) == 2
    assert load(whole).unknown == {TASKS} and load(whole).may_own(TASKS)
    again = load(dump(load(whole), EDITOR_FILES))
    assert again == load(whole)


def test_two_branches_that_record_an_unknown_base_and_another_keep_it_unknown() -> None:
    known, unknown = State({TASKS: "text"}), State(unknown=frozenset({TASKS}))
    lines = [dump(state, EDITOR_FILES).splitlines() for state in (known, unknown)]
    text = "\n".join([*lines[0][:-1], *lines[1][1:]])
    assert load(text) == unknown


def merged(folder: Path, sides: list[State], *options: str) -> str:
    """What git makes of [base, ours, theirs]."""
    for name, state in zip(("base", "ours", "theirs"), sides, strict=True):
        (folder / name).write_text(dump(state, EDITOR_FILES), encoding="utf-8", newline="\n")
    argv = ["git", "merge-file", "-p", *options, "ours", "base", "theirs"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, encoding="utf-8").stdout


def test_two_branches_that_each_add_an_experiment_merge(tmp_path: Path) -> None:
    old, ours, theirs = ("b", "d"), ("a", "b", "d"), ("b", "c", "d")
    text = merged(tmp_path, [state_of(*names) for names in (old, ours, theirs)])
    assert text == dump(state_of("a", "b", "c", "d"), EDITOR_FILES)


def test_neighbours_conflict_and_both_sides_together_are_the_answer(tmp_path: Path) -> None:
    sides = [state_of(*names) for names in (("a",), ("a", "b"), ("a", "c"))]
    conflict = merged(tmp_path, sides)
    with pytest.raises(CorruptState):
        load(conflict)
    everything = state_of("a", "b", "c")
    resolved = [
        line for line in conflict.splitlines() if line[:7] not in ("<<<<<<<", "=======", ">>>>>>>")
    ]
    assert load("\n".join(resolved)) == everything
    assert load(merged(tmp_path, sides, "--union")) == everything


def test_it_stays_small_with_a_thousand_experiments() -> None:
    state = state_of(*(f"domain/experiment_{number}" for number in range(1000)))
    assert len(dump(state, EDITOR_FILES)) < 400_000


def written_by(version: str, *names: str) -> State:
    return replace(state_of(*names), version=version)


@pytest.mark.parametrize("version", ["0.2.0", "1!2.0rc1.post2.dev3+a.1"])
def test_version_is_one_line_of_its_own_and_comes_back(version: str) -> None:
    state = written_by(version, "a")
    with_it, without = dump(state, EDITOR_FILES), dump(state_of("a"), EDITOR_FILES)
    assert [line for line in with_it.splitlines() if line not in without.splitlines()] == [
        f'[".vscode/tasks.json","written by innerloop","{version}"],'
    ]
    assert load(with_it) == state
    assert version_in(with_it) == version
    assert version_in(without) == "" == load(without).version


def test_version_is_known_for_a_workspace_without_any_generated_file() -> None:
    state = State(ejected=frozenset({TASKS}), version="0.3")
    assert load(dump(state, EDITOR_FILES)) == state


def test_version_of_two_branches_is_the_newest_in_either_order(tmp_path: Path) -> None:
    sides = [written_by(v, *n) for v, n in (("0.9", "a"), ("0.11", "ab"), ("0.10", "ac"))]
    for base, ours, theirs in (sides, [sides[0], sides[2], sides[1]]):
        text = merged(tmp_path, [base, ours, theirs], "--union")
        assert text.count("written by innerloop") == 2
        assert load(text) == written_by("0.11", "a", "b", "c")
        # One branch alone has the newer line.
        text = merged(tmp_path, [base, base, theirs], "--union")
        assert load(text).version == theirs.version


@pytest.mark.parametrize(
    "wrong",
    ['""', '"latest"', "3", "null", '{"a":1}', '"9999!1", "1"', '"1\\n"', f'"{"1" * 300}"'],
)
def test_version_that_is_none_does_not_count(wrong: str) -> None:
    text = dump(written_by("0.2", "a"), EDITOR_FILES)
    row = f'[".vscode/tasks.json","written by innerloop",{wrong}],\n'
    damaged = text.replace('["end"]]', row + '["end"]]')
    assert version_in(damaged) == "0.2"
    assert load(damaged).version == "0.2"


def test_version_is_found_in_a_record_that_cannot_be_read() -> None:
    text = dump(written_by("0.2", "a"), EDITOR_FILES)
    conflict = text.replace('["end"]]', "<<<<<<< ours\n=======\n>>>>>>> theirs\n")
    with pytest.raises(CorruptState):
        load(conflict)
    assert version_in(conflict) == version_in(conflict.replace("\n", "\r\n")) == "0.2"
