"""The azureml column of `loop parity`, held against what Azure was really sent.

The job's body and the build context in the blob store.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from innerloop.workspace.loader import digest_of
from tests.azure.conftest import Cloud
from tests.azure.standin import ROOT as WORKSPACE_ID
from tests.support import Workspace

pytestmark = pytest.mark.azure


def column_of(cloud: Cloud, name: str, scratch: Path) -> dict[str, str]:
    """What the body says, in the words of `loop parity`."""
    body = cloud.azure.jobs[name]["properties"]
    literals = {
        key: one["value"] for key, one in body["inputs"].items() if one["jobInputType"] == "literal"
    }
    command = body["command"]
    for key, value in literals.items():
        command = command.replace("${{inputs." + key + "}}", value)
    data = [key for key in body["inputs"] if key not in literals]
    variables = {f"AZUREML_PARAMETER_{key}": value for key, value in literals.items()}
    variables |= {f"AZURE_ML_INPUT_{key}": "${{inputs." + key + "}}" for key in data}
    variables |= {f"AZURE_ML_OUTPUT_{key}": "${{outputs." + key + "}}" for key in body["outputs"]}
    variables |= body["environmentVariables"]
    return {
        "command": command,
        "cwd": "<code>" if body["codeId"].startswith(f"{WORKSPACE_ID}/codes/") else "<empty>",
        "variables": "; ".join(f"{key}={value}" for key, value in sorted(variables.items())),
        "environment": built_from(cloud, body["environmentId"], scratch)[:12],
        "shm": body["resources"]["shmSize"],
    }


def built_from(cloud: Cloud, environment: str, scratch: Path) -> str:
    """The digest of the build context as it lies in the blob store."""
    build: dict[str, Any] = cloud.azure.bodies[environment]["properties"]["build"]
    assert build.get("dockerfilePath", "Dockerfile") == "Dockerfile"
    container, _, prefix = build["contextUri"].split("/", 3)[3].partition("/")
    for name, content in cloud.azure.blobs.all(container).items():
        target = scratch / name.removeprefix(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return digest_of(scratch)


def test_the_column_says_what_was_sent(cloud: Cloud, tiny: Workspace, tmp_path: Path) -> None:
    text = tiny.read("src/tiny/azure-ml-job.yaml")
    more = "environment_variables:\n  LOG: quiet\nresources:\n  shm_size: 4g\n"
    tiny.write("src/tiny/azure-ml-job.yaml", text + more)
    tiny.write("data/digits/one.csv", "1\n")
    told = cloud.loop(tiny, "parity", "tiny", "--json")
    assert told.code == 0, told.err
    column = json.loads(told.out)[0]["backends"]["azureml"]
    assert cloud.loop(tiny, "submit", "tiny", "--name", "one").code == 0
    said = column_of(cloud, "one", tmp_path / "context")
    assert said == {row: column[row]["value"] for row in said}
