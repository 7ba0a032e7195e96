"""The palette: what each task starts, that what it refers to is there, and what lands in Problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from innerloop.cli.command_table import BY_NAME as COMMANDS
from innerloop.cli.menu_entries import ENTRIES
from innerloop.model import deployment
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.json_layout import new_file
from innerloop.sync.render import tasks_json, vscode_tasks
from innerloop.sync.render.generated_files import Specification
from innerloop.sync.render.vscode_tasks import TASKS

JOB = "command: python train.py\ncode: .\nenvironment: a:1\noutputs: {model: {type: uri_folder}}\n"


def rendered(*names: str) -> Any:
    dockerfile = parse("FROM x\n", "Dockerfile")
    files = ("azure-ml-job.yaml", deployment.FOLDER)
    experiments = tuple(Experiment(name, dockerfile, Settings(), files=files) for name in names)
    jobs = {name: parse_job(JOB, f"src/{name}/azure-ml-job.yaml") for name in names}
    return tasks_json.render(Specification(Workspace("/w", Settings(), names), experiments, jobs))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


PALETTE = rendered("line", "shop/churn")
VISIBLE = sorted(task["label"] for task in PALETTE["tasks"] if not task.get("hide"))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label)
def test_task_is_a_command_that_exists(task: Any) -> None:
    assert task.words[0] in {*COMMANDS, "--version"}


def test_commands_are_tasks_or_in_the_menu() -> None:
    """Completion is for a shell's start-up file, init for a folder that is no workspace, mcp for an agent."""
    tasks, entries = {task.words[0] for task in TASKS}, {entry.command for entry in ENTRIES}
    for_editors = {name for name, command in COMMANDS.items() if command.is_for_editors}
    assert set(COMMANDS) - tasks - entries - for_editors == {"completion", "init", "mcp"}


# The command lines of the tasks of earlier versions, which had one for each. EXP was a list.
EARLIER = """
run EXP|run EXP --ask|runs|runs --open|build EXP|test EXP|check|verify|parity EXP|format|sync|upgrade
list|new NAME|new NAME --from EXP|rename EXP NAME|remove EXP|share EXP CODE|terminal EXP
jupyter EXP --open|notebook EXP FILE.ipynb --open|open EXP|exec EXP -- CMD|up EXP --rebuild|down EXP
serve EXP|invoke EXP|submit EXP|submit EXP --stream|submit EXP --dry-run
submit EXP --backend argo --stream|image push EXP|status|logs --follow|cancel|download
deploy EXP --traffic PERCENT|deploy EXP --dry-run|deploy EXP --finish|deploy EXP --rollback
endpoint status EXP|endpoint logs EXP --follow|data list|data get ASSET|data register data/NAME
doctor|clean|help
"""


def test_menu_has_every_task_of_earlier_versions() -> None:
    lines = {" ".join(entry.words) for entry in ENTRIES}
    assert {line for row in EARLIER.split("\n") for line in row.split("|") if line} <= lines


def test_palette_is_short_and_its_first_screen_is_for_every_hour() -> None:
    assert len(VISIBLE) <= 14
    assert VISIBLE[:7] == [
        vscode_tasks.RUN,
        vscode_tasks.RUN_FILE,
        vscode_tasks.STOP,
        vscode_tasks.DEBUG,
        vscode_tasks.TEST,
        vscode_tasks.COMPARE,
        vscode_tasks.NOTEBOOK,
    ]


# What people type into the list of tasks.
WORDS = (
    "build", "share code", "format", "help", "submit", "jupyter", "run", "new", "terminal", "test",
    "train", "debug", "stop", "notebook", "curves", "compare runs", "new experiment",
    "add a package", "this file",
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_words_that_people_type_are_in_a_label(word: str) -> None:
    assert any(word in label for label in VISIBLE)


def test_labels_have_one_style() -> None:
    assert [
        label for label in VISIBLE if not re.fullmatch(r"[1-7] [a-z ]+(:.*| \(.*\))?", label)
    ] == []


def test_file_is_short_and_grows_by_the_hidden_tasks_of_an_experiment() -> None:
    sizes = [new_file(rendered(*names)).count("\n") for names in (("a", "b"), ("a", "b", "c"))]
    assert sizes[0] < 400
    assert sizes[1] - sizes[0] < 80


def test_labels_are_unique_and_each_says_what_it_does() -> None:
    labels = [task["label"] for task in PALETTE["tasks"]]
    assert len(set(labels)) == len(labels)
    for task in PALETTE["tasks"]:
        assert task["type"] == "process"
        assert task.get("hide") or (task["detail"] and task["icon"]["id"])


def test_tasks_are_hidden_only_for_a_launch_configuration_and_for_opening_the_folder() -> None:
    hidden = [task["label"] for task in PALETTE["tasks"] if task.get("hide")]
    assert [label for label in hidden if not re.match("debug |folders for ", label)] == [
        vscode_tasks.ON_OPEN
    ]


def test_every_input_and_every_task_that_is_referred_to_exists() -> None:
    asked = set(re.findall(r"\$\{input:(\w+)\}", " ".join(strings(PALETTE))))
    inputs = [one["id"] for one in PALETTE["inputs"]]
    assert asked == set(inputs)
    assert len(set(inputs)) == len(inputs)


def test_each_key_has_one_task() -> None:
    groups = [task["group"] for task in PALETTE["tasks"] if "group" in task]
    assert groups == [
        {"kind": "build", "isDefault": True},
        {"kind": "test", "isDefault": True},
    ]


def test_visible_tasks_are_the_same_without_experiments() -> None:
    labels = [task["label"] for task in rendered()["tasks"] if not task.get("hide")]
    assert sorted(labels) == VISIBLE


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "src/line/azure-ml-job.yaml:3:5-9: error: no such input. Did you mean x [input]",
            ("src/line/azure-ml-job.yaml", "3", "5", "9", "error", "no such input. Did you mean x [input]"),
        ),
        ("src/a b/x.py:3:1: warning: w", ("src/a b/x.py", "3", "1", None, "warning", "w")),
        ("innerloop: src/a/job.yaml:3: not YAML", ("src/a/job.yaml", "3", None, None, None, "not YAML")),
        (
            "innerloop: src/line/train.py:31:1: error: ValueError: bad",
            ("src/line/train.py", "31", "1", None, "error", "ValueError: bad"),
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
