"""What a person wrote in generated files alone is in the table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from innerloop.model.dockerfiles import dockerfile
from innerloop.parity import own_changes
from innerloop.parity.facts import NOT_COMPARED
from tests.support import Workspace

JOB = """command: python train.py --epochs ${{inputs.epochs}}
inputs:
  epochs: 8
"""
STAGES = "FROM python:3.11-slim-bookworm AS base\nFROM base AS dev\nRUN useradd someone\nFROM base AS job\n"
LAUNCH, DEV = ".vscode/launch.json", ".devcontainer/line/devcontainer.json"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github"]\n'


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)\n", job=JOB, dockerfile=STAGES)
    workspace.write("src/line/innerloop.toml", SCHEDULE)
    assert workspace.loop("sync").code == 0
    return workspace


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
