"""Data assets and data/NAME."""

from __future__ import annotations

import json

import pytest

from tests.azure.conftest import Cloud
from tests.azure.published import check_bodies
from tests.azure.standin import ROOT as WORKSPACE_ID
from tests.azure.test_submit import files_of
from tests.support import Workspace

pytestmark = pytest.mark.azure


def test_register_then_get_brings_the_same_bytes_back(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("data/digits/train/one.csv", "1,2\n")
    tiny.write("data/digits/labels é.txt", "eins\n")
    answer = cloud.loop(tiny, "data", "register", "data/digits", "--description", "as scanned")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("azureml:digits:1 is registered (uri_folder")
    assert cloud.azure.bodies[f"{WORKSPACE_ID}/data/digits/versions/1"]["properties"]["description"]
    check_bodies(cloud)
    kept = files_of(tiny.root / "data/digits")
    (tiny.root / "data/digits").rename(tiny.root / "data/aside")
    answer = cloud.loop(tiny, "data", "get", "azureml:digits:1")
    assert answer.code == 0, answer.err
    assert files_of(tiny.root / "data/digits") == kept
    assert "data/digits has azureml:digits:1 (2 files" in answer.out


def test_a_second_version_is_told_to_the_job_files_that_name_the_first(
    cloud: Cloud, tiny: Workspace
) -> None:
    tiny.write("data/digits/one.csv", "1\n")
    assert cloud.loop(tiny, "data", "register", "data/digits").code == 0
    tiny.write("data/digits/one.csv", "2\n")
    answer = cloud.loop(tiny, "data", "register", "digits", env={"PWD": "data"})
    assert answer.code == 1 and "there is no such folder or file" in answer.message
    answer = cloud.loop(tiny, "data", "register", "data/digits", "--json")
    assert json.loads(answer.out)["version"] == "2"
    listed = json.loads(cloud.loop(tiny, "data", "list", "--json").out)
    assert [(one["name"], one["version"], one["here"]) for one in listed] == [
        ("digits", "2", "data/digits")
    ]
    tiny.write("data/digits/one.csv", "3\n")
    answer = cloud.loop(tiny, "data", "register", "data/digits")
    file = "src/tiny/azure-ml-job.yaml"
    assert f"{file} names azureml:digits:1: write azureml:digits:3" in answer.out
    versions = cloud.loop(tiny, "data", "list", "digits").out.splitlines()
    assert [line.split()[0] for line in versions] == [f"azureml:digits:{n}" for n in (3, 2, 1)]


def test_what_is_here_is_never_touched(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("data/digits/mine.csv", "mine\n")
    answer = cloud.loop(tiny, "data", "get", "digits")
    assert answer.code == 1
    assert "[target-exists]" in answer.message
    assert files_of(tiny.root / "data/digits") == {"mine.csv": b"mine\n"}
    assert cloud.azure.asked == []


def test_an_asset_that_is_not_there(cloud: Cloud, tiny: Workspace) -> None:
    answer = cloud.loop(tiny, "data", "get", "azureml:nothing:4")
    assert answer.code == 1
    assert 'there is no data asset "nothing"' in answer.message
    assert not (tiny.root / "data/nothing").exists()
    assert cloud.loop(tiny, "data", "get").code == 2
    assert cloud.loop(tiny, "data", "get", "a/b/c").code == 2


def test_a_version_never_changes(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("data/digits/one.csv", "1\n")
    assert cloud.loop(tiny, "data", "register", "data/digits", "--version", "7").code == 0
    before = dict(cloud.azure.bodies)
    tiny.write("data/digits/one.csv", "2\n")
    answer = cloud.loop(tiny, "data", "register", "data/digits", "--version", "7")
    assert answer.code == 1
    assert "[data-asset-exists]" in answer.message
    assert cloud.azure.bodies == before
