"""Which file of a workspace stands for a name that Azure ML keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model import asset_files
from innerloop.model.asset_files import AssetFile, AssetReference, reference_of
from innerloop.util import yaml_text
from innerloop.util.errors import UserError

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
JOB = "jobs/train/job.yml"


def asset(file: str, version: str = "") -> AssetFile:
    return AssetFile("environment", "team", version, file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml:team:3", AssetReference("team", "3")),
        ("azureml:team@latest", AssetReference("team", label="latest")),
        ("azureml:team", AssetReference("team")),
        ("azureml:mnist:1/a/b.csv", AssetReference("mnist", "1", inner="/a/b.csv")),
        ("azureml:mnist@latest/a.csv", AssetReference("mnist", label="latest", inner="/a.csv")),
        ("azureml://registries/r/environments/team/versions/1", None),
        ("azureml://datastores/blob/paths/x", None),
        ("azureml:/subscriptions/s/environments/team", None),
        ("azureml:", None),
        ("azureml:team:", None),
        ("team:3", None),
        ("./team.yml", None),
        ("${{parent.inputs.x}}", None),
    ],
)
def test_reference_is_read_in_its_short_form_alone(
    text: str, expected: AssetReference | None
) -> None:
    assert reference_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SCHEMA.format("environment") + "name: x\nimage: i", ("environment", "")),
        ("name: x\nversion: 3\nbuild: {path: .}", ("environment", "3")),
        ("name: x\nversion: '1.10'\nimage: i\nconda_file: c.yml", ("environment", "1.10")),
        (SCHEMA.format("data") + "name: x\npath: ./d", ("data", "")),
        ("type: uri_folder\nname: x\nversion: 1\npath: ./d", ("data", "1")),
        ("type: mlflow_model\nname: x\npath: ./m", ("model", "")),
        (SCHEMA.format("commandComponent") + "name: x\ncommand: ls", ("component", "")),
        (SCHEMA.format("pipelineComponent") + "name: x\njobs: {}", ("component", "")),
        ("name: x\nversion: 2\ntype: command\ncommand: ls", ("component", "2")),
        (SCHEMA.format("commandJob") + "name: x\ncommand: ls", None),
        (SCHEMA.format("pipelineJob") + "name: x\njobs: {}", None),
        (SCHEMA.format("managedOnlineDeployment") + "name: x\nmodel: m", None),
        ("name: x\nchannels: [c]\ndependencies: [python]", None),
        ("name: x\nauth_mode: key", None),
        ("image: i", None),
        ("name: 3\nimage: i", None),
        ("name: ${{name}}/x\nimage: i", None),
        ("name: [x]\nimage: i", None),
        ("- name: x", None),
        ("name: x\non: push\njobs: {a: {runs-on: b}}", None),
    ],
)
def test_asset_of_a_file_has_its_kind_and_version(
    text: str, expected: tuple[str, str] | None
) -> None:
    found = asset_files.asset_of(yaml_text.parse(text, "some/file.yml"))
    assert (None if found is None else (found.kind, found.version)) == expected


def test_asset_has_the_position_of_its_name() -> None:
    found = asset_files.asset_of(yaml_text.parse("image: i\nname: x\n", "e.yml"))
    assert found is not None and str(found.position) == "e.yml:2:1"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("jobs/train/env.yml", 0),
        ("jobs/train/environment/env.yml", 1),
        ("jobs/env.yml", 1),
        ("env.yml", 2),
        ("jobs/score/env.yml", 2),
        ("environments/env.yml", 3),
    ],
)
def test_distance_counts_the_folders_between(file: str, expected: int) -> None:
    assert asset_files.distance(JOB, file) == expected


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_distance_is_the_same_both_ways(one: list[str], other: list[str]) -> None:
    first, second = "/".join([*one, "f"]), "/".join([*other, "f"])
    there = asset_files.distance(first, second)
    assert there == asset_files.distance(second, first) <= len(one) + len(other)
    assert (there == 0) == (one == other)


@pytest.mark.parametrize(
    ("reference", "files", "expected"),
    [
        ("azureml:team:1", {"far/far/e.yml": "1", "jobs/e.yml": "1"}, "jobs/e.yml"),
        ("azureml:team:1", {"far/e.yml": "1", "jobs/train/e.yml": "2"}, "far/e.yml"),
        ("azureml:team:1", {"far/e.yml": "1", "jobs/train/e.yml": ""}, "far/e.yml"),
        ("azureml:team:7", {"far/e.yml": "1", "jobs/e.yml": ""}, "jobs/e.yml"),
        ("azureml:team@latest", {"far/e.yml": "10", "jobs/train/e.yml": "9"}, "far/e.yml"),
        ("azureml:team@latest", {"far/e.yml": "1.10", "jobs/e.yml": "1.9"}, "far/e.yml"),
        ("azureml:team@latest", {"far/e.yml": "", "jobs/train/e.yml": "9"}, "far/e.yml"),
        ("azureml:team@latest", {"far/e.yml": "3", "jobs/e.yml": "3"}, "jobs/e.yml"),
        ("azureml:team", {"far/e.yml": "3", "jobs/e.yml": "2"}, "far/e.yml"),
        ("azureml:team@staging", {"jobs/e.yml": "3"}, None),
        ("azureml:other:1", {"jobs/e.yml": "1"}, None),
        ("azureml://registries/r/environments/team/versions/1", {"jobs/e.yml": "1"}, None),
    ],
)
def test_choose_takes_the_fitting_version_that_is_nearest(
    reference: str, files: dict[str, str], expected: str | None
) -> None:
    found = asset_files.choose([asset(*item) for item in files.items()], reference, JOB, JOB)
    assert (None if found is None else found.file) == expected


@pytest.mark.parametrize(
    ("reference", "files", "code"),
    [
        ("azureml:team:1", {"jobs/a/e.yml": "1", "jobs/b/e.yml": "1"}, "asset-ambiguous"),
        ("azureml:team@latest", {"jobs/a.yml": "", "jobs/b.yml": ""}, "asset-ambiguous"),
        ("azureml:team:1", {"jobs/e.yml": "2", "far/e.yml": "10"}, "asset-version-missing"),
    ],
)
def test_choose_without_a_clear_file_is_an_error_at_its_position(
    reference: str, files: dict[str, str], code: str
) -> None:
    with pytest.raises(UserError) as caught:
        asset_files.choose([asset(*item) for item in files.items()], reference, JOB, f"{JOB}:2:1")
    assert (caught.value.code, caught.value.where) == (code, f"{JOB}:2:1")
    assert all(file in caught.value.what for file in files)


VERSIONS = st.text("0123456789.ab-", min_size=1, max_size=6)


@given(st.lists(VERSIONS, min_size=1, max_size=5))
def test_versions_of_any_form_have_an_order(versions: list[str]) -> None:
    ordered = sorted([*versions, ""], key=asset_files.version_key)
    assert ordered[-1] == ""
