"""Deploy folders on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.util.errors import UserError
from innerloop.workspace import loader
from innerloop.workspace.deploy_folder import DeployFolder, open_folder
from tests.support import ROOT, Workspace, make_workspace

DEPLOYMENT = "name: blue\nendpoint_name: digits\nenvironment: azureml:e:1\n"


def opened(workspace: Workspace, name: str) -> DeployFolder:
    values = loader.open_workspace(workspace.root)
    return open_folder(values, loader.open_experiment(values, name))


@pytest.mark.parametrize(
    ("name", "port", "sample"),
    [
        ("digit_recognition", 8080, "sample-request.png"),
        ("digit_recognition_svm", 5001, "sample-request.json"),
    ],
)
def test_those_of_this_workspace(name: str, port: int, sample: str) -> None:
    folder = opened(Workspace(ROOT), name)
    assert folder.folder == f"src/{name}/deploy"
    assert folder.sample == f"src/{name}/deploy/{sample}"
    assert folder.endpoint is not None
    assert folder.endpoint.name == folder.deployment.endpoint_name == name.replace("_", "-")
    assert {route.port for _, route in folder.deployment.routes} == {port}
    assert folder.deployment.model.name == name


def test_a_folder_needs_no_endpoint_and_no_sample(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w")
    workspace.add("tiny", "")
    workspace.write("src/tiny/deploy/my-deployment.yml", DEPLOYMENT)
    folder = opened(workspace, "tiny")
    assert (folder.endpoint, folder.sample) == (None, None)
    assert folder.deployment.file == "src/tiny/deploy/my-deployment.yml"


def test_open_folder_without_one_usable_deployment_raises(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w")
    workspace.add("tiny", "")
    with pytest.raises(UserError) as missing:
        opened(workspace, "tiny")
    assert (missing.value.code, missing.value.where) == ("deploy-folder-missing", "src/tiny/deploy")
    workspace.write("src/tiny/deploy/endpoint.yaml", "name: digits\n")
    with pytest.raises(UserError) as no_deployment:
        opened(workspace, "tiny")
    assert no_deployment.value.code and str(no_deployment.value.where) == "src/tiny/deploy"
    for name in ("a-deployment.yaml", "deployment.yaml"):
        workspace.write(f"src/tiny/deploy/{name}", DEPLOYMENT)
    with pytest.raises(UserError) as two:
        opened(workspace, "tiny")
    assert "a-deployment.yaml" in two.value.what and "deployment.yaml" in two.value.what
