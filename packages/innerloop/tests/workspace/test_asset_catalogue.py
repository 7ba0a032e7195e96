"""The search for files that describe environments, data and components, and its limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.model.jobs.job import Input
from innerloop.workspace import asset_catalogue, read_states, text_links
from innerloop.workspace.loader import WorkspaceFiles

ENVIRONMENT = "name: team\nversion: 1\nimage: python:3.11\n"
JOB = "jobs/train.yml"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    asset_catalogue.of_workspace.cache_clear()
    yield
    asset_catalogue.of_workspace.cache_clear()


def write(root: Path, path: str, text: str = ENVIRONMENT) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def files_of(root: Path) -> list[str]:
    return [asset.file for asset in asset_catalogue.read(str(root)).named("team")]


def test_search_finds_yaml_files_that_have_the_name(tmp_path: Path) -> None:
    write(tmp_path, "environments/team.yml")
    write(tmp_path, "a/b/c/d/e/team.yaml")
    write(tmp_path, "flow.yml", '{"name": "team", "image": "x"}')
    write(tmp_path, "data/team.yml")
    write(tmp_path, "other.yml", ENVIRONMENT.replace("team", "teams"))
    write(tmp_path, "broken.yml", "name: team\nimage: [")
    write(tmp_path, "text.txt")
    write(tmp_path, "latin.yml").write_bytes(ENVIRONMENT.encode() + b"# \xe9\n")
    assert sorted(files_of(tmp_path)) == [
        "a/b/c/d/e/team.yaml", "data/team.yml", "environments/team.yml", "flow.yml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "folder",
    [".git", ".venv", ".hidden", "node_modules", "outputs", "__pycache__", "data/raw", "mlruns"],
)
def test_search_skips_folders_without_sources(tmp_path: Path, folder: str) -> None:
    write(tmp_path, f"{folder}/team.yml")
    write(tmp_path, f"src/a/{folder}/team.yml")
    assert files_of(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_search_follows_no_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(outside, "team.yml")
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "team.yml").symlink_to(outside / "team.yml")
    (root / "cycle").symlink_to(root)
    os.mkfifo(root / "pipe.yml")
    assert files_of(root) == []


@pytest.mark.parametrize("limit", ["MOST_FOLDERS", "MOST_ENTRIES", "MOST_FILES", "MOST_BYTES"])
def test_search_ends_at_each_limit_with_what_is_near_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    write(tmp_path, "near.yml")
    write(tmp_path, "a/far.yml")
    monkeypatch.setattr(asset_catalogue, limit, 1)
    catalogue = asset_catalogue.read(str(tmp_path))
    assert catalogue.is_partial
    assert [file for file, _ in catalogue.texts] in ([], ["near.yml"])
    assert "a/far.yml" not in dict(catalogue.texts)


def test_search_ends_when_its_time_is_over(tmp_path: Path) -> None:
    write(tmp_path, "near.yml")
    write(tmp_path, "a/far.yml")
    times = iter([0.0, 0.0, 0.0, 99.0, 99.0])
    catalogue = asset_catalogue.read(str(tmp_path), clock=lambda: next(times))
    assert catalogue.is_partial and [file for file, _ in catalogue.texts] == ["near.yml"]


def test_a_folder_of_many_entries_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        write(tmp_path, f"many/{number}.yml")
    monkeypatch.setattr(asset_catalogue, "MOST_IN_FOLDER", 3)
    catalogue = asset_catalogue.read(str(tmp_path))
    assert catalogue.is_partial and len(catalogue.texts) == 3


def test_what_was_searched_is_part_of_a_cached_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_links, "may_be", lambda root: False)
    write(tmp_path, "environments/team.yml")
    write(tmp_path, "src/a/team.yml")
    found = WorkspaceFiles(tmp_path).find_asset("environment", "azureml:team:1", JOB, JOB)
    assert found is not None and found.file == "environments/team.yml"
    read, _ = read_states.consulted(tmp_path) or (set(), set())
    assert {".", "environments", "environments/team.yml"} <= read
    assert "src/a/team.yml" not in read
    sent = WorkspaceFiles(tmp_path, finds_assets=False)
    assert sent.find_asset("environment", "azureml:team:1", JOB, JOB) is None
    assert WorkspaceFiles(tmp_path).find_asset("data", "azureml:team:1", JOB, JOB) is None


@pytest.mark.parametrize(
    ("asset", "address", "there", "expected"),
    [
        ("path: ./raw", "azureml:mnist:1", (), "assets/raw"),
        ("path: ./raw", "azureml:mnist:1/a.csv", (), "assets/raw/a.csv"),
        ("path: ../samples/x", "azureml:mnist@latest", ("samples/x",), "samples/x"),
        ("path: ./raw", "azureml:mnist:1", ("data/mnist",), "data/mnist"),
        ("path: ./raw", "azureml:mnist:1", ("data/mnist", "assets/raw"), "assets/raw"),
        ("path: ../../secret", "azureml:mnist:1", (), "data/mnist"),
        ("path: /etc", "azureml:mnist:1", (), "data/mnist"),
        ("path: azureml://datastores/s/paths/x", "azureml:mnist:1", (), "data/mnist"),
        ("path: https://host/a.csv", "azureml:mnist:1", (), "data/host/a.csv"),
        ("path: https://host/a.csv", "azureml:mnist:1", ("data/mnist",), "data/mnist"),
        ("path: ./raw", "azureml:mnist:7", (), "data/mnist"),
        ("path: ./raw", "azureml://datastores/s/paths/x", (), "data/s/x"),
        ("path: ./raw", "./own", (), "jobs/own"),
    ],
)
def test_location_of_data_is_what_the_file_names(
    tmp_path: Path, asset: str, address: str, there: tuple[str, ...], expected: str
) -> None:
    write(tmp_path, "assets/mnist.yml", f"name: mnist\nversion: 1\ntype: uri_folder\n{asset}\n")
    for path in there:
        (tmp_path / path).mkdir(parents=True)
    input_ = Input("x", "data", type="uri_folder", path=address)
    location, found = asset_catalogue.location_of(tmp_path, JOB, input_)
    assert location.path == expected
    assert (found is not None) == (not expected.startswith(("data/mnist", "jobs/", "data/s")))


def test_a_models_file_does_not_stand_for_data(tmp_path: Path) -> None:
    write(tmp_path, "m.yml", "name: net\nversion: 1\ntype: mlflow_model\npath: ./net\n")
    model = Input("m", "data", type="mlflow_model", path="azureml:net:1")
    data = Input("d", "data", type="uri_folder", path="azureml:net:1")
    assert asset_catalogue.location_of(tmp_path, JOB, model)[0].path == "net"
    assert asset_catalogue.location_of(tmp_path, JOB, data)[0].path == "data/net"
