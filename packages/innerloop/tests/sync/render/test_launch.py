"""launch.json and the hidden tasks that belong to it, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.settings.settings import DataSetting, Settings
from innerloop.model.workspace import Workspace
from innerloop.runner import debug_session
from innerloop.sync.render import launch_json, tasks_json
from innerloop.sync.render.generated_files import Specification

ROOT = "${workspaceFolder}"
REST = "environment: {build: {path: ./environment}}\n"


def subject(
    job: str, *, code: str = ".", data: Mapping[str, DataSetting] | None = None
) -> Specification:
    one = Experiment("line", parse("FROM a\n", "Dockerfile"), Settings(data=data or {}))
    text = f"{job}{REST}code: {code}\n"
    parsed = parse_job(text, "src/line/azure-ml-job.yaml")
    return Specification(Workspace("/home/me/ws", Settings(), ("line",)), (one,), {"line": parsed})


def plain(job: str, **more: Any) -> dict[str, Any]:
    """The configuration that runs in the window's own interpreter."""
    given = subject(job, **more)
    found = launch_json.configuration_of(given.experiments[0], given.jobs["line"])
    assert found is not None
    return dict(found)


def labels(given: Specification) -> set[str]:
    return {task["label"] for task in tasks_json.render(given)["tasks"]}


def test_what_has_no_value_is_left_out() -> None:
    job = """command: python a.py $[[--x ${{inputs.x}}]] $[[--y ${{inputs.y}}]]
inputs:
  x: {type: string, optional: true}
  y: {type: integer, default: 3, optional: true}
"""
    found = plain(job)
    assert found["args"] == ["--y", "3"]
    assert "AZUREML_PARAMETER_x" not in found["env"]
    assert found["env"]["AZUREML_PARAMETER_y"] == "3"


def test_data_in_the_workspace_elsewhere_and_by_their_address() -> None:
    job = """command: python a.py ${{inputs.a}} ${{inputs.b}} ${{inputs.c}} ${{inputs.d}}
inputs:
  a: {type: uri_folder, path: "azureml:mnist:1"}
  b: {type: uri_file, path: ../../data/x.csv}
  c: {type: uri_folder, path: "azureml:other:1"}
  d: {type: uri_folder, path: "azureml:direct:1", mode: direct}
"""
    found = plain(job, data={"c": DataSetting("/mnt/my data")})
    assert found["args"] == [
        f"{ROOT}/data/mnist", f"{ROOT}/data/x.csv", "/mnt/my data", "azureml:direct:1",
    ]  # fmt: skip
    assert found["env"]["AZURE_ML_INPUT_a"] == f"{ROOT}/data/mnist"
    assert "\0" not in str(found)


def test_folders_of_outputs_are_made_first_and_files_have_none() -> None:
    job = """command: python a.py ${{outputs.model}} ${{outputs.report}}
outputs:
  model:
  report: {type: uri_file}
"""
    found = plain(job)
    assert found["args"] == [f"{ROOT}/src/line/outputs/{name}" for name in ("model", "report")]
    made = tasks_json.render(subject(job))["tasks"]
    (task,) = [one for one in made if one["label"] == found["preLaunchTask"]]
    assert [task["command"], *task["args"]] == ["mkdir", "-p", f"{ROOT}/src/line/outputs/model"]
    assert task["hide"] is True
    assert "preLaunchTask" not in plain("command: python a.py\n")


@pytest.mark.parametrize(
    ("code", "cwd"),
    [(".", f"{ROOT}/src/line"), ("..", f"{ROOT}/src"), ("./a.py", f"{ROOT}/src/line")],
)
def test_the_working_directory_is_the_code_root(code: str, cwd: str) -> None:
    found = plain("command: python a.py\n", code=code)
    assert (found["cwd"], found["program"]) == (cwd, f"{cwd}/a.py")


def test_options_of_python_itself() -> None:
    found = plain("command: python -u -X dev -O -m pkg.train --x 1\n")
    assert (found["module"], found["args"]) == ("pkg.train", ["--x", "1"])
    assert found["pythonArgs"] == ["-X", "dev", "-O"]


def test_several_processes_are_no_plain_program() -> None:
    job = "command: python a.py\ndistribution: {type: pytorch, process_count_per_instance: 2}\n"
    given = subject(job)
    assert launch_json.configuration_of(given.experiments[0], given.jobs["line"]) is None


@pytest.mark.parametrize(
    ("job", "titles"),
    [
        ("command: a && b\n", ["job in its container"]),
        (
            "type: pipeline\njobs:\n  one: {command: a}\n  two: {command: b}\n",
            ["step one in its container", "step two in its container"],
        ),
        (
            "type: sweep\ntrial: {command: a, environment: x:1}\nsearch_space: {}\n",
            ["trial in its container"],
        ),
    ],
)
def test_each_part_has_a_configuration_whose_task_is_there(job: str, titles: list[str]) -> None:
    given = subject(job)
    of_file, of_tests, *attached = (
        one for one in launch_json.render(given)["configurations"] if one["request"] == "attach"
    )
    assert [one["name"] for one in attached] == [f"line: {title}" for title in titles]
    assert {one["preLaunchTask"] for one in attached} <= labels(given)
    for one in (of_file, of_tests, *attached):
        (task,) = [
            t for t in tasks_json.render(given)["tasks"] if t["label"] == one["preLaunchTask"]
        ]
        assert task["args"][-2:] == ["--port", str(one["connect"]["port"])]
        assert one["connect"]["host"] == "127.0.0.1"
        # Restart starts the run again in the same terminal, which is then not ready.
        background = task["problemMatcher"]["background"]
        assert re.search(background["beginsPattern"], f"innerloop: {debug_session.RESTARTS}")
    assert {one["presentation"]["group"] for one in attached} == {"line"}


def test_what_f5_starts_in_a_fresh_clone_is_the_open_files_experiment() -> None:
    """VS Code sorts by the groups' names, digits before letters, and what has none last.

    The first one is what F5 starts until a person chooses another.
    """
    given = subject("command: python train.py --epochs 3\n")
    configurations = launch_json.render(given)["configurations"]
    assert [one["name"] for one in configurations if "presentation" not in one] == ["the open file"]
    first = min(
        (one for one in configurations if "presentation" in one),
        key=lambda one: (one["presentation"]["group"], one["presentation"]["order"]),
    )
    assert first == configurations[0] and first["name"] == "this experiment"
    (task,) = [
        one for one in tasks_json.render(given)["tasks"] if one["label"] == first["preLaunchTask"]
    ]
    assert task["args"][:3] == ["run", "${relativeFile}", "--debug"]
    assert task["args"][3:] == ["--port", str(first["connect"]["port"])]


def test_a_workspace_without_experiments_has_nothing_to_debug_but_files() -> None:
    empty = Specification(Workspace("/home/me/ws", Settings(), ()), (), {})
    names = [one["name"] for one in launch_json.render(empty)["configurations"]]
    assert names == ["the open file"]
