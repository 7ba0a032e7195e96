"""What a person wrote in generated files alone is in the table."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from innerloop.model.dockerfiles import dockerfile
from innerloop.model.experiment import Experiment
from innerloop.model.settings import settings
from innerloop.parity import own_changes
from innerloop.parity.facts import NOT_COMPARED
from innerloop.parity.task_starts import TaskStart, tasks_of
from tests.support import Workspace, make_workspace

JOB = """command: python train.py --epochs ${{inputs.epochs}}
inputs:
  epochs: 8
"""
STAGES = "FROM python:3.11-slim-bookworm AS base\nFROM base AS dev\nRUN useradd someone\nFROM base AS job\n"
LAUNCH, DEV = ".vscode/launch.json", ".devcontainer/line/devcontainer.json"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github"]\n'


@pytest.fixture(scope="module")
def _synced(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Workspace:
    made = make_workspace(tmp_path_factory.mktemp("synced") / "work space")
    made.add("line", "print(1)\n", job=JOB, dockerfile=STAGES)
    made.write("src/line/innerloop.toml", SCHEDULE)
    assert made.loop("sync").code == 0
    return made


@pytest.fixture
def synced(workspace: Workspace, _synced: Workspace) -> Workspace:
    """With its generated files; a copy for each test."""
    its_own = shutil.ignore_patterns("scripts")
    shutil.copytree(_synced.root, workspace.root, symlinks=True, ignore=its_own, dirs_exist_ok=True)
    return workspace


def nightly(rows: list[tuple[str, str, str, list[str]]]) -> list[object]:
    return [
        pytest.param(*row, marks=pytest.mark.nightly) for index, row in enumerate(rows) if index % 6
    ]


def unexplained(workspace: Workspace) -> list[str]:
    answer = workspace.loop("parity", "line", "--json")
    (table,) = json.loads(answer.out)
    named: list[str] = table["unexplained"]
    assert answer.code == bool(named), answer.out + answer.err
    assert table["not_compared"] == NOT_COMPARED
    return named


def test_an_untouched_workspace_has_no_difference(synced: Workspace) -> None:
    assert unexplained(synced) == []
    assert f"not compared: {NOT_COMPARED}" in synced.loop("parity", "line").out


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        (LAUNCH, '"args": [', '"pythonArgs": ["-O"], "args": [', ["F5: command"]),
        (LAUNCH, '"args": [', '"python": "/usr/bin/python3", "args": [', ["F5: command"]),
        (LAUNCH, '"AZUREML_PARAMETER_epochs"', '"SEED": "1", "AZUREML_PARAMETER_epochs"',
         ["F5: variables"]),
        (LAUNCH, '"args": [', '"envFile": "my.env", "args": [', ["F5: variables"]),
        (DEV, '"containerEnv": {', '"containerEnv": {"SEED": "1",',
         ["in-container: variables", "F5: variables"]),
        (DEV, '"build": {', '"features": {"ghcr.io/x/y:1": {}}, "build": {',
         ["in-container: image", "F5: image"]),
        (DEV, '"build": {', '"postCreateCommand": "pip install six", "build": {',
         ["in-container: image", "F5: image"]),
        (DEV, '"build": {', '"build": {"args": {"CUDA": "12"},',
         ["in-container: image", "F5: image"]),
        (".github/workflows/train-line.yml", "scripts/loop submit line", "python src/line/train.py",
         ["github: command"]),
    ],
)  # fmt: skip
def test_a_change_in_a_generated_file_is_named(
    synced: Workspace, path: str, old: str, new: str, named: list[str]
) -> None:
    text = synced.read(path)
    assert old in text, text
    synced.write(path, text.replace(old, new, 1))
    assert unexplained(synced) == named


P = '"console": "integratedTerminal",'
B = '"build": {'
STEP = "scripts/loop submit line --scheduled"
OF_BOTH = ["in-container: image", "F5: image"]
GITHUB, DOCKERFILE = ".github/workflows/train-line.yml", "src/line/environment/Dockerfile"
# (file, old text, new text, what is named)
MORE = [
    (LAUNCH, P, f'{P} "sudo": true,', ["F5: changes"]),
    (LAUNCH, P, f'{P} "linux": {{"args": ["--epochs", "1"]}},', ["F5: changes"]),
    (LAUNCH, P, f'{P} "windows": {{"program": "x.py"}},', ["F5: changes"]),
    (LAUNCH, P, f'{P} "osx": {{"env": {{"A": "1"}}}},', ["F5: changes"]),
    (LAUNCH, P, f'{P} "preLaunchTask": "mine",', ["F5: changes"]),
    (LAUNCH, P, f'{P} "gevent": true,', ["F5: changes"]),
    (LAUNCH, P, f'{P} "stopOnEntry": true, "django": true,', []),
    (DEV, B, f'"remoteEnv": {{"A": "1"}}, {B}', ["in-container: variables", "F5: variables"]),
    (DEV, B, f'"remoteUser": "someone", {B}', ["in-container: user", "F5: user"]),
    (DEV, B, f'"containerUser": "someone", {B}', ["in-container: user", "F5: user"]),
    (DEV, B, f'"updateRemoteUserUID": false, {B}', OF_BOTH),
    (DEV, B, f'"workspaceFolder": "/w", {B}', OF_BOTH),
    (DEV, B, f'"userEnvProbe": "none", {B}', OF_BOTH),
    (DEV, B, f'"secrets": {{"A": {{}}}}, {B}', OF_BOTH),
    (DEV, '"gpu": "optional"', '"gpu": false', OF_BOTH),
    (DEV, '"postAttachCommand": {', '"postAttachCommand": {"x": "pip install six",', OF_BOTH),
    (DEV, '["--shm-size", "2g"]', '["--shm-size", "2g", "--network=none"]', OF_BOTH),
    (DEV, '["--shm-size", "2g"]', '["--shm-size=1g"]', ["in-container: shm", "F5: shm"]),
    (DEV, B, f'"appPort": 80, "forwardPorts": [1], {B}', []),
    (DOCKERFILE, "AS job\n", "AS job\nUSER someone\n", OF_BOTH),
    (DOCKERFILE, "AS job\n", "AS job\nWORKDIR /x\n", OF_BOTH),
    (DOCKERFILE, "AS job\n", "AS job\nVOLUME /x\n", OF_BOTH),
    (DOCKERFILE, "AS job\n", 'AS job\nLABEL a=b\nCMD ["x"]\n', []),
    (DOCKERFILE, "AS dev\n", "AS dev\nENV SEED=1\n", OF_BOTH),
    (DOCKERFILE, "AS dev\n", "AS dev\nENV PATH=/opt/x/bin:$PATH\n", OF_BOTH),
    (DOCKERFILE, "AS dev\n", "AS dev\nENV HOME=/h PATH=/h/.local/bin:$PATH\n", []),
    (GITHUB, '"0 3 * * 1"', '"0 4 * * *"', ["github: changes"]),
    (GITHUB, "'main'", "'dev'", ["github: changes"]),
    (GITHUB, "    runs-on", "    if: false\n    runs-on", ["github: changes"]),
    (GITHUB, "${{ vars.AZUREML_WORKSPACE_NAME }}", "another", ["github: changes"]),
    (GITHUB, "${{ toJSON(inputs) }}", "'{}'", ["github: changes"]),
    (GITHUB, "--scheduled", "--scheduled --backend argo", ["github: changes"]),
    (GITHUB, 'default: "8"', 'default: "9"', ["github: changes"]),
    (GITHUB, STEP, "uv run src/line/train.py", ["github: command"]),
    (GITHUB, STEP, "torchrun src/line/train.py", ["github: command"]),
    (GITHUB, STEP, "az ml job create --file src/line/azure-ml-job.yaml", ["github: command"]),
    (GITHUB, "          AZURE_CLIENT_ID", "          HTTPS_PROXY: http://p\n          AZURE_CLIENT_ID", []),
    (GITHUB, "runs-on: ubuntu-24.04", "runs-on: self-hosted", []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "named"), [*MORE[::6], *nightly(MORE)])
def test_any_change_that_decides_what_runs_is_named(
    synced: Workspace, path: str, old: str, new: str, named: list[str]
) -> None:
    text = synced.read(path)
    assert old in text, text
    synced.write(path, text.replace(old, new, 1))
    assert unexplained(synced) == named


def test_a_launch_configuration_of_ones_own_with_other_arguments_is_a_column(
    synced: Workspace,
) -> None:
    program = "${workspaceFolder}/src/line/train.py"
    own = {"name": "mine", "type": "debugpy", "request": "launch", "program": program}
    text = synced.read(LAUNCH).replace(
        '"configurations": [', f'"configurations": [{json.dumps(own)},', 1
    )
    synced.write(LAUNCH, text)
    assert "F5 mine: command" in unexplained(synced)


def test_options_of_the_engine_are_a_row(synced: Workspace) -> None:
    text = synced.read("src/line/azure-ml-job.yaml")
    text += "resources: {docker_args: --network none}\n"
    synced.write("src/line/azure-ml-job.yaml", text)
    assert unexplained(synced) == []
    assert "~ options in apptainer, venv" in synced.loop("parity", "line").out


def test_an_instruction_in_the_jobs_stage_alone_is_named(synced: Workspace) -> None:
    synced.write("src/line/environment/Dockerfile", f"{STAGES}ENV MODE=fast\nRUN pip install six\n")
    assert unexplained(synced) == ["in-container: image", "F5: image"]
    text = synced.loop("parity", "line").out
    assert "the job's stage alone has ENV MODE=fast (line 5)" in text


def test_several_nodes_are_a_row(synced: Workspace) -> None:
    text = synced.read("src/line/azure-ml-job.yaml")
    text = text.replace("inputs:\n", "resources: {instance_count: 2}\ninputs:\n", 1)
    synced.write("src/line/azure-ml-job.yaml", text)
    assert unexplained(synced) == []
    assert "~ nodes in docker" in synced.loop("parity", "line").out


def test_a_task_with_an_override_is_a_column(synced: Workspace) -> None:
    tasks: dict[str, Any] = {"version": "2.0.0", "tasks": [
        {"label": "long", "command": "scripts/loop", "args": ["run", "line", "--set", "inputs.epochs=99"]},
        {"label": "other", "command": "scripts/loop run square --set inputs.epochs=99"},
    ]}  # fmt: skip
    synced.write(".vscode/tasks.json", json.dumps(tasks))
    assert unexplained(synced) == ["task long: command", "task long: variables"]


EXPERIMENT = Experiment(
    "line",
    dockerfile.parse("FROM a\n", "Dockerfile"),
    settings.of_experiment(None, "", settings.of_workspace("", "")),
)
RUN = ["run", "line"]


@pytest.mark.parametrize(
    ("task", "start"),
    [
        ({"command": "scripts/loop run line --set=inputs.epochs=9"}, TaskStart("t", ("inputs.epochs=9",))),
        ({"command": "scripts/loop", "args": [*RUN, {"value": "--set"}, {"value": "a=1"}]}, TaskStart("t", ("a=1",))),
        ({"command": "bash", "args": ["-c", "scripts/loop run line --set a=1"]}, TaskStart("t", ("a=1",))),
        ({"command": "x", "linux": {"command": "scripts/loop", "args": [*RUN, "--set", "a=1"]}},
         TaskStart("t (linux)", ("a=1",))),
        ({"command": "scripts/loop", "args": ["submit", "line", "--inputs", '{"epochs": 5}']},
         TaskStart("t", ("inputs.epochs=5",))),
        ({"command": "scripts/loop run line", "options": {"env": {"SEED": "1"}}}, TaskStart("t", (), {"SEED": "1"})),
        ({"command": "python src/line/train.py"}, TaskStart("t", command="python src/line/train.py")),
        ({"command": "python", "args": ["train.py"], "options": {"cwd": "${workspaceFolder}/src/line"}},
         TaskStart("t", command="python train.py")),
        ({"command": "torchrun src/line/train.py"}, TaskStart("t", command="torchrun src/line/train.py")),
        ({"command": "scripts/loop", "args": [*RUN, "--set", "a=${input:a}"]}, None),
        ({"command": "scripts/loop", "args": [*RUN, "--backend", "venv"]}, None),
        ({"command": "python src/other/train.py"}, None),
        ({"command": "python -m pip install -r src/line/requirements.txt"}, None),
        ({"command": "'"}, None),
        ({"dependsOn": ["run"]}, None),
        ({"command": 5, "args": 5, "linux": [], "options": "x"}, None),
    ],
)  # fmt: skip
def test_a_tasks_own_start_is_found(task: dict[str, Any], start: TaskStart | None) -> None:
    found = list(tasks_of({"tasks": [{"label": "t", **task}, "x"]}, EXPERIMENT))
    assert found == ([] if start is None else [start])


@pytest.mark.parametrize("tasks", [None, {}, "x", [1], [None]])
def test_tasks_of_another_form_start_nothing(tasks: Any) -> None:
    assert list(tasks_of({"tasks": tasks}, EXPERIMENT)) == []


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("set -e\npython src/line/train.py --x 1\n", "python src/line/train.py --x 1"),
        ("cd src/line && python3.11 -u train.py", "cd src/line && python3.11 -u train.py"),
        ("python -m line.train", "python -m line.train"),
        ("python -m pip install x\npython -m venv v\nscripts/loop submit line", ""),
    ],
)
def test_python_of_scripts_is_found(script: str, line: str) -> None:
    workflow = {"jobs": {"a": {"steps": [{"uses": "x"}, {"run": script}]}}}
    assert own_changes.python_of_scripts(workflow) == line


def test_a_stage_that_the_development_stage_is_from_is_shared() -> None:
    text = "FROM a AS base\nRUN x\nFROM base AS job\nENV A=1\nFROM job AS dev\nRUN y\nFROM job\n"
    parsed = dockerfile.parse(text, "Dockerfile")
    dev = parsed.stage("dev")
    assert dev is not None
    assert own_changes.of_job_stage(parsed, dev) == []
