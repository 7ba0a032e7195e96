"""`loop submit --dry-run` of job files that belong to no experiment; nothing of Azure is needed."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

from tests.support import Workspace

CONNECTION = {
    "AZURE_SUBSCRIPTION_ID": "11111111-2222-4333-8444-555555555555",
    "AZURE_RESOURCE_GROUP": "group",
    "AZUREML_WORKSPACE_NAME": "backend",
}
IMAGE = "environment: {image: busybox}\n"


def preview(workspace: Workspace, job: str) -> dict[str, Any]:
    workspace.write("jobs/a/job.yml", job)
    words = ("submit", "jobs/a/job.yml", "--dry-run", "--json")
    answer = workspace.loop(*words, env=CONNECTION)
    assert answer.code == 0, answer.err
    told: dict[str, Any] = json.loads(answer.out)
    return told


def test_a_job_file_anywhere(workspace: Workspace) -> None:
    workspace.write("jobs/a/train.py", "")
    told = preview(workspace, f"command: python train.py\ncode: .\ncompute: azureml:c\n{IMAGE}")
    assert told["parts"][0]["command"] == "python train.py"
    assert told["parts"][0]["code"] == "jobs/a"


def test_a_pipelines_compute_is_that_of_its_steps(workspace: Workspace) -> None:
    steps = "jobs:\n  one: {command: ls, environment: {image: busybox}}\n"
    for where in ("compute: azureml:big\n", "settings: {default_compute: azureml:big}\n"):
        (part,) = preview(workspace, f"type: pipeline\n{where}{steps}")["parts"]
        assert part["compute"] == "big"


def test_code_and_data_that_azure_ml_has_are_not_sent(workspace: Workspace) -> None:
    root = "/subscriptions/s/resourceGroups/r/providers/p/workspaces/w"
    data, code = f"{root}/data/n/versions/1", f"azureml:{root}/codes/c/versions/1"
    told = preview(
        workspace,
        f"command: cat ${{{{inputs.data}}}}\ncode: {code}\n"
        f"inputs: {{data: {{path: {data}}}}}\ncompute: azureml:c\n{IMAGE}",
    )
    assert told["parts"][0]["code"] is None
    assert "data" not in told or not told["data"]


def test_a_step_that_azure_ml_alone_knows_is_shown(workspace: Workspace) -> None:
    told = preview(
        workspace,
        "type: pipeline\ncompute: azureml:big\njobs:\n"
        "  one: {component: azureml:made_elsewhere@latest, compute: azureml:small}\n"
        "  two: {command: ls, environment: {image: busybox}}\n",
    )
    one, two = told["parts"]
    assert (one["step"], one["compute"], one["command"]) == ("one", "small", "")
    assert "azureml:made_elsewhere@latest" in one["unread"]
    assert (two["compute"], two["command"], two["unread"]) == ("big", "ls", "")

    shown = workspace.loop("submit", "jobs/a/job.yml", "--dry-run", env=CONNECTION).out
    assert shown.count("environment") == 1
    assert 'not known here: the step "one" is a registered component' in shown


TRIAL = """type: command
name: trained
version: 1
inputs:
  rate: {type: number}
  epochs: {type: integer, default: 3}
  data: {type: uri_folder}
command: echo ${{inputs.rate}} ${{inputs.epochs}} ${{inputs.data}}
environment: {image: busybox}
code: .
"""
SWEPT = """type: sweep
compute: azureml:big
trial: ./trial.yml
search_space:
  rate: {type: uniform, min_value: 0, max_value: 1}
inputs:
  data: {type: uri_folder, path: ./rows}
sampling_algorithm: random
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 2}
"""


def test_a_trial_that_is_a_components_file(workspace: Workspace) -> None:
    """Its inputs that the search space fills in stay open, and its data are sent."""
    workspace.write("jobs/a/trial.yml", TRIAL)
    workspace.write("jobs/a/rows/a.csv", "1")
    step = textwrap.indent(SWEPT, "    ")
    told = preview(workspace, f"type: pipeline\njobs:\n  find:\n{step}")
    assert told["command"] == "echo ${{search_space.rate}} 3 $AZURE_ML_INPUT_data"
    assert told["parts"][0]["code"] == "jobs/a"
    assert told["data"] == {"find.data": {"path": "jobs/a/rows", "files": 1, "size": 1}}


def test_an_environment_from_a_file_is_what_the_file_says(workspace: Workspace) -> None:
    workspace.write("jobs/tools/tools.yml", "image: busybox\nconda_file: ./conda.yml\n")
    workspace.write("jobs/tools/conda.yml", "dependencies: [python=3.11]\n")
    environment = "environment: file:../tools/tools.yml\n"
    told = preview(workspace, f"command: ls\ncompute: azureml:c\n{environment}")
    assert told["parts"][0]["environment"]["words"].startswith("busybox with the conda packages")


def test_an_empty_name_is_none(workspace: Workspace) -> None:
    workspace.write("jobs/a/job.yml", f"command: ls\ncompute: azureml:c\n{IMAGE}")
    answer = workspace.loop("submit", "jobs/a/job.yml", "--dry-run", "--name", "", env=CONNECTION)
    assert answer.code == 2 and "[job-name-invalid]" in answer.message


def test_a_large_file_among_the_code_is_named(workspace: Workspace) -> None:
    workspace.write("jobs/a/job.yml", f"command: ls\ncode: .\ncompute: azureml:c\n{IMAGE}")
    with (workspace.root / "jobs/a/weights.bin").open("wb") as file:
        file.truncate(120_000_000)
    shown = workspace.loop("submit", "jobs/a/job.yml", "--dry-run", env=CONNECTION).out
    assert "weights.bin is 120 MB, sent with each change of the code: exclude it" in shown


def test_many_files_are_shown_by_their_folders_and_what_is_hardly_code_is_named(
    workspace: Workspace,
) -> None:
    """`code: ..` takes a repository whole, as Azure ML's client does."""
    job = f"command: ls\ncode: ..\ncompute: azureml:c\n{IMAGE}"
    told = preview(workspace, job)
    assert len(told["snapshots"][0]["files"]) == 1
    for number in range(60):
        workspace.write(f"jobs/lib/part{number}.py", "1")
    workspace.write("jobs/.git/HEAD", "ref")
    workspace.write("jobs/lib/__pycache__/part.pyc", "1234")
    shown = workspace.loop("submit", "jobs/a/job.yml", "--dry-run", env=CONNECTION).out
    assert re.search(r"^ +lib/ +0\.1 kB  61 files$", shown, re.MULTILINE)
    assert "part7.py" not in shown
    assert "(--json lists every file)" in shown
    assert ".git/ (1 file, 0.0 kB), __pycache__/ (1 file, 0.0 kB): probably not code" in shown
