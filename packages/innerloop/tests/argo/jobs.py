"""Jobs of every kind, and the manifest that each becomes, in process: no cluster, no engine."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from innerloop.remote.argo import plan
from innerloop.remote.argo.plan import ArgoSubmission
from innerloop.remote.base import SubmissionOrder
from innerloop.workspace import loader
from tests.support import Workspace

SWEEP = """
type: sweep
trial:
  command: python -u train.py --rate ${{search_space.rate}} --kind ${{search_space.kind}} --epochs ${{inputs.epochs}}
  code: .
  environment: {build: {path: ./environment}}
inputs: {epochs: 2}
sampling_algorithm: {type: random, seed: 3}
search_space:
  rate: {type: uniform, min_value: 0.1, max_value: 0.9}
  kind: {type: choice, values: [a, "b c"]}
objective: {primary_metric: score, goal: maximize}
limits: {max_total_trials: 3, max_concurrent_trials: 2, timeout: 600, trial_timeout: 60}
"""
PIPELINE = """
type: pipeline
inputs: {count: 3, raw: {type: uri_folder, path: azureml:raw:1}}
outputs: {model: }
jobs:
  prep:
    command: sh prep.sh ${{inputs.raw}} ${{inputs.count}} ${{outputs.clean}}
    code: .
    environment: {build: {path: ./environment}}
    inputs: {raw: "${{parent.inputs.raw}}", count: "${{parent.inputs.count}}"}
    outputs: {clean: }
  train_it:
    command: sh train.sh ${{inputs.clean}} ${{outputs.model}}
    code: .
    environment: {build: {path: ./environment}}
    inputs: {clean: "${{parent.jobs.prep.outputs.clean}}"}
    outputs: {model: "${{parent.outputs.model}}"}
"""
NODES = """
command: python -u train.py
code: .
environment: {build: {path: ./environment}}
resources: {instance_count: 2, shm_size: 512m}
distribution: {type: pytorch, process_count_per_instance: 2}
"""


def planned(
    workspace: Workspace, name: str = "line", file: str = "azure-ml-job.yaml", **more: Any
) -> ArgoSubmission:
    """The submission of an experiment that is right."""
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, name)
    submission, found = plan.plan(SubmissionOrder(opened, experiment, file, **more))
    assert submission is not None, [str(finding) for finding in found]
    return submission


def put(
    workspace: Workspace, text: str, file: str = "azure-ml-job.yaml", name: str = "line"
) -> Path:
    return workspace.write(posixpath.join("src", name, file), text)
