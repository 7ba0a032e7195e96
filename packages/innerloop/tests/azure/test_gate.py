"""The workspace's own pipeline as it arrives on Azure ML.

Train, evaluate, register; what is registered is the output of the last step, so a model that was
not passed cannot be.
"""

from __future__ import annotations

import pytest

from tests.azure.conftest import Cloud
from tests.support import ROOT, Workspace, clone

NAME = "digit_recognition"
pytestmark = [
    pytest.mark.azure,
    pytest.mark.skipif(not (ROOT / "src" / NAME).is_dir(), reason=f"{NAME} was deleted"),
]


def test_only_what_was_passed_is_registered(cloud: Cloud, workspace: Workspace) -> None:
    whole = clone(workspace.root.parent / "clone")
    words = ("submit", NAME, "--file", "azure-ml-pipeline.yaml", "--set", "inputs.threshold=0.97")
    answer = cloud.loop(whole, *words)
    assert answer.code == 0, answer.err
    ((job, body),) = cloud.azure.jobs.items()
    jobs = body["properties"]["jobs"]
    assert body["properties"]["inputs"]["threshold"]["value"] == "0.97"
    assert list(jobs) == ["train", "evaluate", "register"]
    named = {
        step: {name: one.get("name") for name, one in job.get("outputs", {}).items()}
        for step, job in jobs.items()
    }
    assert named["register"] == {"model": NAME}
    assert not any(named["train"].values()) and not any(named["evaluate"].values())
    assert jobs["register"]["outputs"]["model"]["job_output_type"] == "custom_model"
    # The last step waits for the verdict; a step that fails ends the pipeline.
    takes = jobs["register"]["inputs"]["evaluation"]["value"]
    assert takes == "${{parent.jobs.evaluate.outputs.evaluation}}"
    assert not body["properties"]["settings"].get("continue_on_step_failure")
    # What it registered is deployed by its name, not by the pipeline's.
    refused = cloud.loop(whole, "deploy", NAME, "--model", job)
    assert refused.code == 1
    assert f"{job} is a pipeline" in refused.message
    assert "--model azureml:NAME@latest" in refused.message
