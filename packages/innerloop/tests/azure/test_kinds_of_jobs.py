"""Sweep and pipeline jobs, as they arrive; and every body held against the service's own schema."""

from __future__ import annotations

import pytest

from tests.azure.conftest import Cloud
from tests.azure.published import check_bodies
from tests.azure.standin import ROOT as WORKSPACE_ID
from tests.azure.standin import RunOf
from tests.support import Workspace

pytestmark = pytest.mark.azure
SWEEP = """type: sweep
experiment_name: tiny
trial:
  command: >-
    python train.py --rate ${{search_space.rate}} --epochs ${{inputs.epochs}}
  code: .
  environment:
    build:
      path: ./environment
inputs:
  epochs: 2
search_space:
  rate:
    type: uniform
    min_value: 0.01
    max_value: 0.1
sampling_algorithm: random
objective:
  goal: maximize
  primary_metric: accuracy
limits:
  max_total_trials: 4
compute: azureml:cpu-cluster
"""

PIPELINE = """type: pipeline
experiment_name: tiny
inputs:
  epochs: 2
outputs:
  model:
settings:
  default_compute: azureml:cpu-cluster
jobs:
  prepare:
    command: python train.py --to ${{outputs.features}}
    code: .
    environment:
      build:
        path: ./environment
    outputs:
      features:
  train:
    type: command
    component: ./train.component.yaml
    inputs:
      features: ${{parent.jobs.prepare.outputs.features}}
      epochs: ${{parent.inputs.epochs}}
    outputs:
      model: ${{parent.outputs.model}}
"""
COMPONENT = """type: command
name: train
inputs:
  features:
    type: uri_folder
  epochs:
    type: integer
outputs:
  model:
    type: uri_folder
command: >-
  python train.py --data ${{inputs.features}} --epochs ${{inputs.epochs}} --out ${{outputs.model}}
code: .
environment:
  build:
    path: ./environment
"""


def test_a_command_jobs_bodies_are_valid(cloud: Cloud, tiny: Workspace) -> None:
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    kinds = {path.removeprefix(WORKSPACE_ID).split("/")[1] for path in cloud.azure.bodies}
    assert kinds == {"jobs", "codes", "environments"}
    check_bodies(cloud)


def test_a_sweep_arrives(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/sweep.yaml", SWEEP)
    answer = cloud.loop(
        tiny, "submit", "tiny", "--file", "sweep.yaml", "--set", "limits.max_total_trials=3"
    )
    assert answer.code == 0, answer.err
    assert "--rate ${{search_space.rate}} --epochs 2" in answer.out
    ((_, body),) = cloud.azure.jobs.items()
    properties = body["properties"]
    assert properties["jobType"] == "Sweep"
    assert properties["limits"]["maxTotalTrials"] == 3
    assert properties["searchSpace"] == {"rate": ["uniform", [0.01, 0.1]]}
    assert properties["trial"]["codeId"].startswith(f"{WORKSPACE_ID}/codes/")
    check_bodies(cloud)


def test_a_pipeline_arrives_and_its_steps_are_followed(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/pipeline.yaml", PIPELINE)
    tiny.write("src/tiny/train.component.yaml", COMPONENT)
    log = "user_logs/std_log.txt"
    cloud.azure.runs["p.prepare"] = RunOf(["Completed"], {log: ["rows 10\n"]})
    cloud.azure.runs["p.train"] = RunOf(
        ["Running", "Completed"], {log: ["epoch 1\n", "epoch 1\nepoch 2\n"]}
    )
    cloud.azure.next_run = RunOf(
        ["Running", "Running", "Completed"], children=["p.prepare", "p.train"]
    )
    answer = cloud.loop(
        tiny, "submit", "tiny", "--file", "pipeline.yaml", "--set", "inputs.epochs=5", "--stream"
    )
    assert answer.code == 0, answer.err
    assert "step         prepare" in answer.out and "step         train" in answer.out
    ((_, body),) = cloud.azure.jobs.items()
    properties = body["properties"]
    assert properties["jobType"] == "Pipeline"
    assert properties["inputs"]["epochs"]["value"] == "5"
    assert set(properties["jobs"]) == {"prepare", "train"}
    assert answer.out.count("prepare | rows 10\n") == 1
    assert answer.out.count("train | epoch 1\n") == answer.out.count("train | epoch 2\n") == 1
    assert "innerloop: step train: Running" in answer.err
    check_bodies(cloud)
