"""Which model is deployed where nobody names one, and what a name may be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from innerloop.remote.azureml.deploy import model_source
from innerloop.remote.azureml.deploy.model_source import ModelSource
from innerloop.util.errors import UsageError, UserError
from innerloop.workspace import loader
from tests.support import Workspace, make_workspace


@pytest.fixture
def tiny(tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "workspace")
    made.add("tiny", "print(1)\n")
    return made


def leave(workspace: Workspace, folder: str, code: int = 0, model: bool = True) -> None:
    """A run's record and model; folders sort as they were started."""
    record = {"run": folder.replace("/", "-"), "exit_code": code, "started": folder}
    workspace.write(f"outputs/tiny/{folder}/.run/run.json", json.dumps(record))
    if model:
        workspace.write(f"outputs/tiny/{folder}/model/weights", folder)


def find(workspace: Workspace, word: str | None = None, named: str = "") -> ModelSource:
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, "tiny")
    return model_source.find(opened, experiment, word, workspace.root, named=named)


def test_the_newest_run_that_ended_well(tiny: Workspace) -> None:
    leave(tiny, "1")
    leave(tiny, "2")
    leave(tiny, "3", code=1)
    leave(tiny, "4", model=False)
    assert find(tiny).path == "outputs/tiny/2/model"


def test_a_model_that_its_pipeline_did_not_pass_is_none(tiny: Workspace) -> None:
    leave(tiny, "1/train")
    leave(tiny, "1/register")
    leave(tiny, "2/train")
    leave(tiny, "2/evaluate", code=1, model=False)
    assert find(tiny).path == "outputs/tiny/1/train/model"
    leave(tiny, "3")
    assert find(tiny).path == "outputs/tiny/3/model"


@pytest.mark.parametrize("word", ["1", "outputs/tiny/1", "outputs/tiny/1/model"])
def test_a_run_or_a_folder_by_name(tiny: Workspace, word: str) -> None:
    leave(tiny, "1")
    leave(tiny, "2")
    found = find(tiny, word)
    assert (found.kind, found.path, found.files) == ("folder", "outputs/tiny/1/model", 1)
    assert found.digest != find(tiny, "2").digest


def test_the_file_pins_a_version_or_stands_in_for_a_run(tiny: Workspace) -> None:
    pinned = find(tiny, named="azureml:digits:7")
    assert (pinned.kind, pinned.path, pinned.version) == ("registered", "digits", "7")
    latest = find(tiny, named="azureml:digits@latest")
    assert (latest.kind, latest.path, latest.version) == ("registered", "digits", "")
    leave(tiny, "1")
    assert find(tiny, named="azureml:digits@latest").kind == "folder"
    assert find(tiny, named="azureml:digits:7").kind == "registered"


def test_a_job_is_taken_where_it_is(tiny: Workspace) -> None:
    found = find(tiny, "tiny-20261124-1")
    assert found.kind == "job"
    assert found.azure_path == (
        "azureml://jobs/tiny-20261124-1/outputs/artifacts/paths/outputs/model/"
    )


def test_none_and_what_is_no_name(tiny: Workspace) -> None:
    with pytest.raises(UserError, match="no run of tiny that succeeded has a model"):
        find(tiny)
    for name, code in (("a b", "model-unknown"), ("azureml:a/b", "model-name-invalid")):
        with pytest.raises(UsageError) as caught:
            find(tiny, name)
        assert caught.value.code == code


@pytest.mark.skipif(sys.platform == "win32", reason="a link is not for everybody there")
@pytest.mark.parametrize("word", [None, "2", "outputs/tiny/2"])
def test_a_model_here_that_cannot_be_sent_gives_way_to_no_other(
    tiny: Workspace, word: str | None
) -> None:
    leave(tiny, "1")
    leave(tiny, "2")
    (tiny.root / "outputs/tiny/2/model/best").symlink_to("nowhere")
    with pytest.raises(UserError) as caught:
        find(tiny, word, named="azureml:tiny@latest")
    assert caught.value.code == "link-broken"
