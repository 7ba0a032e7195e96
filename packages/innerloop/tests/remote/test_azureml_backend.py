"""The place azureml as a value, and where it finds its workspace; nothing here reaches Azure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.run import Request, Run
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.remote.azureml import job_request, workspace_ref
from innerloop.util.errors import UserError

JOB = """
command: >-
  python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} $[[--seed ${{inputs.seed}}]]
  --out ${{outputs.model}}
code: .
inputs:
  data: {type: uri_folder, path: "azureml:digits:1"}
  rate: 0.00001
outputs:
  model:
environment: {build: {path: ./environment}}
environment_variables: {LOG: quiet}
compute: azureml:cpu
"""


def request(text: str = JOB) -> Request:
    experiment = Experiment("line", parse("FROM x\n", "Dockerfile"), Settings())
    job = parse_job(text.replace("$[[--seed ${{inputs.seed}}]]", ""), "src/line/azure-ml-job.yaml")
    return job_request.plan(Run(Workspace("/w", Settings(), ("line",)), experiment, job, "r1", {}))


def test_paths_stand_as_the_variables_that_hold_them() -> None:
    made = request()
    assert made.command.split() == [
        "python", "train.py", "--data", "$AZURE_ML_INPUT_data", "--rate", "1e-05",
        "--out", "$AZURE_ML_OUTPUT_model",
    ]  # fmt: skip
    assert made.argv == ("bash", "-c", made.command)
    assert (made.backend, made.cwd) == ("azureml", "src/line")
    assert made.env["AZUREML_PARAMETER_rate"] == "1e-05" and made.env["LOG"] == "quiet"
    assert made.image == "built on Azure ML from src/line/environment/Dockerfile"


def test_a_trials_values_stay_open() -> None:
    text = (
        "type: sweep\ntrial:\n  command: python x.py ${{search_space.lr}}\n  code: .\n"
        "  environment: azureml:env:1\nsearch_space:\n  lr: {type: choice, values: [1]}\n"
        "objective: {goal: minimize, primary_metric: loss}\n"
    )
    assert request(text).command == "python x.py ${{search_space.lr}}"
    as_input = text.replace("x.py ${{search_space", "x.py ${{inputs") + "inputs: {lr: 3}\n"
    assert request(as_input).command == "python x.py ${{search_space.lr}}"


GOOD = {
    "subscription_id": "5ab5c71b-0000-4000-8000-00000000f00d",
    "resource_group": "rg",
    "workspace_name": "ws",
}


def configured(root: Path, **changes: str) -> None:
    (root / ".azureml").mkdir()
    text = json.dumps({**GOOD, **changes})
    (root / ".azureml/config.json").write_text(text, encoding="utf-8-sig")


def test_the_studios_file(tmp_path: Path) -> None:
    configured(tmp_path)
    found = workspace_ref.find(tmp_path, {})
    assert (found.group, found.workspace, found.source) == ("rg", "ws", ".azureml/config.json")


def test_variables_go_before_the_file_one_by_one(tmp_path: Path) -> None:
    configured(tmp_path)
    found = workspace_ref.find(
        tmp_path, {"AZUREML_WORKSPACE_NAME": "other", "AZURE_RESOURCE_GROUP": ""}
    )
    assert (found.group, found.workspace) == ("rg", "other")
    assert found.source == ".azureml/config.json, AZUREML_WORKSPACE_NAME"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("resource_group", "<resource-group>", '"resource_group" is still a placeholder'),
        ("workspace_name", "YOUR_WORKSPACE", '"workspace_name" is still a placeholder'),
        ("subscription_id", "00000000-0000-0000-0000-000000000000", "is still a placeholder"),
        ("subscription_id", "my subscription", "is still a placeholder"),
        ("subscription_id", "12345", "is not the id of a subscription: 12345"),
        ("resource_group", "", 'there is no "resource_group"'),
    ],
)
def test_what_is_not_filled_in(tmp_path: Path, key: str, value: str, said: str) -> None:
    configured(tmp_path, **{key: value})
    with pytest.raises(UserError) as caught:
        workspace_ref.find(tmp_path, {})
    assert said in caught.value.what and caught.value.where == ".azureml/config.json"


def test_no_configuration_and_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not connected to Azure ML yet"):
        workspace_ref.find(tmp_path, {})
    (tmp_path / "config.json").write_text('{\n "a": }')
    with pytest.raises(UserError, match=r"config.json:2:7: not JSON"):
        workspace_ref.find(tmp_path, {})
