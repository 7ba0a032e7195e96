"""The palette: what each task starts, that what it refers to is there, and what lands in Problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from innerloop import local
from innerloop.cli.command_table import BY_NAME as COMMANDS
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render import tasks_json
from innerloop.sync.render.generated_files import Specification
from innerloop.sync.render.vscode_tasks import TASKS


def rendered(*names: str) -> Any:
    dockerfile = parse("FROM x\n", "Dockerfile")
    experiments = tuple(Experiment(name, dockerfile, Settings()) for name in names)
    return tasks_json.render(Specification(Workspace("/w", Settings(), names), experiments, {}))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


PALETTE = rendered("line", "shop/churn")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label)
def test_every_task_is_a_command_that_is_there(task: Any) -> None:
    assert task.words[0] in COMMANDS


def test_every_command_is_a_task() -> None:
    """Except those of no use there.

    completion is for a shell's start-up file; the others are typed once in a workspace's life.
    """
    typed = {"completion", "init", "leave", "owners", "vendor"}
    assert set(COMMANDS) - {task.words[0] for task in TASKS} == typed


def test_labels_are_unique_and_each_says_what_it_does() -> None:
    labels = [task["label"] for task in PALETTE["tasks"]]
    assert len(set(labels)) == len(labels)
    for task in PALETTE["tasks"]:
        assert task["detail"] and task["icon"]["id"]
        assert task["type"] == "process"


def test_every_input_and_every_task_that_is_referred_to_exists() -> None:
    asked = set(re.findall(r"\$\{input:(\w+)\}", " ".join(strings(PALETTE))))
    inputs = [one["id"] for one in PALETTE["inputs"]]
    assert asked == set(inputs)
    assert len(set(inputs)) == len(inputs)
    labels = {task["label"] for task in PALETTE["tasks"]}
    for task in PALETTE["tasks"]:
        needed = task.get("dependsOn", [])
        assert set([needed] if isinstance(needed, str) else needed) <= labels


def test_each_key_has_one_task_for_any_file_and_one_for_an_experiments_file() -> None:
    for kind in ("build", "test"):
        groups = [task.get("group") for task in PALETTE["tasks"]]
        defaults = [g["isDefault"] for g in groups if isinstance(g, dict) and g["kind"] == kind]
        assert defaults == [True, "src/*/**"]


def test_without_experiments_no_file_is_an_experiments() -> None:
    palette = rendered()
    groups = [task["group"] for task in palette["tasks"] if "group" in task]
    assert "build" in groups and "test" in groups  # of what would take the open file
    assert palette["inputs"][0]["options"] == ["(none yet: run the task new)"]


def test_the_places_offered_are_those_of_the_command_line() -> None:
    backend = next(one for one in PALETTE["inputs"] if one["id"] == "backend")
    assert {option["value"] for option in backend["options"]} == {local.AUTO, *local.BACKENDS}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "src/line/azure-ml-job.yaml:3:5: error: no such input. Did you mean x [input]",
            ("src/line/azure-ml-job.yaml", "3", "5", "error", "no such input. Did you mean x [input]"),
        ),
        ("src/a b/x.py:3:1: warning: w", ("src/a b/x.py", "3", "1", "warning", "w")),
        ("innerloop: src/a/job.yaml:3: not YAML", ("src/a/job.yaml", "3", None, None, "not YAML")),
        (
            "innerloop: src/line/train.py:31:1: error: ValueError: bad",
            ("src/line/train.py", "31", "1", "error", "ValueError: bad"),
        ),
        ("innerloop: the image is built", None),
        ("innerloop: pyproject.toml: not TOML", None),
        ("12:30:05: epoch 1: done", None),
        ("time 12:30:05: error: none of ours", None),
        ("epoch 1:2: loss 3", None),
        ("tests/test_train.py:12: AssertionError", None),
    ],
)  # fmt: skip
def test_what_lands_in_the_problems_panel(line: str, found: Any) -> None:
    match = re.match(tasks_json.PATTERN["regexp"], line)
    assert (match.groups() if match else None) == found
