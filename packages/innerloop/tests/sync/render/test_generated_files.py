"""The generated files: valid for their readers, and equal to the job file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import parse_option
from innerloop.model.jobs.job import parse_job
from innerloop.model.settings.settings import DataSetting, Settings
from innerloop.model.workspace import Workspace
from innerloop.sync import engine
from innerloop.sync.render.generated_files import Specification, generate
from innerloop.sync.render.launch_json import plain_python
from tests.support import ROOT

SCHEMAS = Path(os.environ.get("INNERLOOP_SCHEMAS", ROOT.parent / "shared" / "schemas"))

JOB = """
command: >-
  python train.py
  --data ${{inputs.data}} --epochs ${{inputs.epochs}} --name "two words"
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1"}
  epochs: 8
code: .
environment: {build: {path: ./environment}}
environment_variables: {MODE: fast}
resources: {shm_size: 8g}
"""

THREE = "FROM python:3.11 AS base\nFROM base AS dev\nUSER dev\nFROM base AS job\n"


def subject(
    gpu: str = "auto", text: str = THREE, job: str = JOB, name: str = "line"
) -> Specification:
    settings = Settings(gpu=parse_option(gpu))
    experiment = Experiment(
        name, parse(text, "Dockerfile"), settings, files=("train.py", "azure-ml-job.yaml")
    )
    jobs = {name: parse_job(job, f"src/{name}/azure-ml-job.yaml")} if job else {}
    return Specification(Workspace("/home/me/work space", Settings(), (name,)), (experiment,), jobs)


def devcontainer(**change: str) -> Any:
    return generate(subject(**change))[".devcontainer/line/devcontainer.json"]


@pytest.mark.parametrize(
    ("gpu", "requirements", "arguments"),
    [
        ("auto", {"gpu": "optional"}, ["--shm-size", "8g"]),
        ("all", None, ["--gpus", "all", "--shm-size", "8g"]),
        ("2", None, ["--gpus", "2", "--shm-size", "8g"]),
        ("0,2", None, ["--gpus", '"device=0,2"', "--shm-size", "8g"]),
        ("none", None, ["--shm-size", "8g"]),
    ],
)
def test_gpu(gpu: str, requirements: Any, arguments: list[str]) -> None:
    value = devcontainer(gpu=gpu)
    assert value.get("hostRequirements") == requirements
    assert value["runArgs"] == arguments


def configurations_of(specification: Specification) -> dict[str, Any]:
    """The launch configurations by name, in their order."""
    launch = generate(specification)[".vscode/launch.json"]
    return {one["name"]: one for one in launch["configurations"]}


def test_f5_has_the_arguments_of_the_job_file() -> None:
    configuration = configurations_of(subject())["line: train.py"]
    assert configuration["program"] == "${workspaceFolder}/src/line/train.py"
    assert configuration["cwd"] == "${workspaceFolder}/src/line"
    assert configuration["args"] == [
        "--data", "${workspaceFolder}/data/mnist", "--epochs", "8", "--name", "two words",
    ]  # fmt: skip
    assert configuration["env"]["MODE"] == "fast"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py", ["train.py"]),
        ("python3.11 -u train.py --a 1", ["train.py", "--a", "1"]),
        ("python -m pkg.train --a 'b c'", ["-m", "pkg.train", "--a", "b c"]),
        ("python train.py \\\n  --a 1 \\\n  --b 2\n", ["train.py", "--a", "1", "--b", "2"]),
        ("python a.py && python b.py", None),
        ("python a.py\npython b.py", None),
        ("python a.py --x $HOME", None),
        ("python a.py | tee log", None),
        ("torchrun train.py", None),
        ("python", None),
        ("python -c 'print(1)'", None),
        ('python a.py "', None),
        ("""python a.py --x 'a & $b' "it's (c)" """, ["a.py", "--x", "a & $b", "it's (c)"]),
        ('python a.py "$X"', None),
        ("python a.py --x {1,2}", None),
        ("A=1 python a.py", None),
        ("accelerate launch a.py", None),
    ],
)
def test_which_commands_are_plain(command: str, words: list[str] | None) -> None:
    found = plain_python(command)
    shown = found and [*["-m"] * found.is_module, found.target, *found.arguments]
    assert shown == words


def test_another_command_is_debugged_in_its_container() -> None:
    given = subject(job="command: make\ncode: .\nenvironment: a:1\n")
    assert list(configurations_of(given)) == [
        "this experiment",
        "the tests in this file",
        "line: job in its container",
        "the open file",
    ]


def test_an_experiment_without_a_job_has_a_container() -> None:
    files = generate(subject(job=""))
    assert files[".devcontainer/line/devcontainer.json"]["runArgs"] == ["--shm-size", "2g"]


def test_a_nested_experiment_has_a_folder_one_level_deep() -> None:
    files = generate(subject(name="shop/churn"))
    value = files[".devcontainer/shop.churn/devcontainer.json"]
    assert value["build"]["context"] == "../../src/shop/churn/environment"


def test_data_elsewhere_are_named_as_innerloop_toml_says() -> None:
    one = subject()
    setting = Settings(data={"data": DataSetting("/mnt/big")})
    moved = Experiment("line", one.experiments[0].dockerfile, setting)
    found = configurations_of(Specification(one.workspace, (moved,), one.jobs))
    assert found["line: train.py"]["args"][1] == "/mnt/big"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no schemas at {SCHEMAS} (INNERLOOP_SCHEMAS)")
@pytest.mark.parametrize("gpu", ["auto", "all", "none"])
def test_valid_against_the_official_schemas(gpu: str) -> None:
    files = generate(subject(gpu=gpu))
    dev = files[".devcontainer/line/devcontainer.json"]
    base = json.loads((SCHEMAS / "devcontainer/devContainer.base.schema.json").read_text())
    jsonschema.Draft201909Validator(base).validate(dev)
    assert "dockerfile" in dev["build"]
    for path, schema in (
        (".vscode/tasks.json", "tasks-2.0.0"),
        (".vscode/launch.json", "launch-debugpy"),
    ):
        jsonschema.validate(
            files[path], json.loads((SCHEMAS / f"vscode/{schema}.schema.json").read_text())
        )


def test_nothing_depends_on_where_the_clone_is() -> None:
    one = subject()
    elsewhere = Workspace("/tmp/other", one.workspace.settings, one.workspace.experiments)
    assert generate(Specification(elsewhere, one.experiments, one.jobs)) == generate(one)


def test_committed_files_and_state_are_current() -> None:
    outcome = engine.plan(ROOT)
    assert (outcome.problems, outcome.notes) == ((), ())
    assert [change.path for change in outcome.changes] == []
    assert outcome.state is None
