"""A file in conflict as a merge editor needs it: base, yours and theirs differ there alone."""

from __future__ import annotations

import json

import pytest

from innerloop.sync import three_way, three_way_text
from innerloop.sync.merge_rules import EDITOR_FILES
from innerloop.util.json_values import Json
from innerloop.util.jsonc import parse

TASKS = ".vscode/tasks.json"


def _sides(yours: str, base: Json, theirs: Json, name: str = TASKS) -> tuple[Json, Json]:
    before, after = three_way.sides(yours, base, theirs, EDITOR_FILES, name)
    return (None if before is None else parse(before).value), (
        None if after is None else parse(after).value
    )


def _task(detail: str, **more: Json) -> dict[str, Json]:
    return {"tasks": [{"label": "run", "detail": detail, **more}]}


def test_sides_of_a_changed_value_have_the_old_and_the_new_one() -> None:
    yours = json.dumps({**_task("mine"), "own": 1}, indent=2)
    assert _sides(yours, _task("old"), _task("new")) == (
        {**_task("old"), "own": 1},
        {**_task("new"), "own": 1},
    )


def test_sides_keep_comments_and_what_merged_without_a_conflict() -> None:
    yours = '{\n  // mine\n  "tasks": [{"label": "run", "detail": "mine", "icon": "old"}]\n}\n'
    base = _task("old", icon="old")
    theirs = {"tasks": [{"label": "run", "detail": "new", "icon": "new"}, {"label": "more"}]}
    before, after = three_way.sides(yours, base, theirs, EDITOR_FILES, TASKS)
    assert before is not None and after is not None
    assert before == after.replace('"new"', '"old"', 1).replace('"icon": "old"', '"icon": "new"')
    assert "// mine" in before and '"more"' in before and '"icon": "new"' in before


@pytest.mark.parametrize("value", [[1], {"a": 1}, None, "text"])
def test_sides_of_a_value_that_is_removed_by_theirs_lack_it_there(value: Json) -> None:
    yours = json.dumps(_task("same", extra="mine"))
    before, after = _sides(yours, _task("same", extra=value or 0), _task("same"))
    assert before == _task("same", extra=value or 0) and after == _task("same")


def test_sides_of_a_group_of_keys_have_it_whole() -> None:
    name = ".devcontainer/devcontainer.json"
    yours = json.dumps({"image": "mine", "name": "n"})
    base: Json = {"build": {"dockerfile": "old"}, "name": "n"}
    theirs: Json = {"build": {"dockerfile": "new"}, "name": "n"}
    before, after = _sides(yours, base, theirs, name)
    assert (before, after) == (base, theirs)


def test_sides_of_a_text_have_its_line_ends() -> None:
    before, after = three_way_text.sides("a\r\nmine\r\n", "a\nold\n", "a\nnew\n")
    assert (before, after) == ("a\r\nold\r\n", "a\r\nnew\r\n")
    assert three_way_text.sides("mine\n", None, "new\n") == (None, "new\n")
