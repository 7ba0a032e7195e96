"""The files of a new experiment whose packages are in a uv.lock."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from innerloop.cli.main import main
from innerloop.local import uv
from innerloop.model.environment_source import source_of
from innerloop.util.errors import UserError
from innerloop.util.network import Network
from innerloop.workspace import loader
from tests.support import Workspace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(sys, "argv", [str(workspace.root / "scripts" / "loop")])
    monkeypatch.chdir(workspace.root)
    return workspace


def test_new_experiment_of_uv_has_a_project_with_its_lock(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(folder: Path, reach: Network) -> None:
        (folder / "uv.lock").write_text('version = 1\nrequires-python = ">=3.10"\n')

    monkeypatch.setattr(uv, "lock_project", lock)
    assert main(["new", "shop/churn_rate", "--env", "uv"]) == 0
    folder = here.root / "src/shop/churn_rate/environment"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["Dockerfile", "pyproject.toml", "uv-itself.txt", "uv.lock"]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "shop-churn-rate"
    assert {"test", "dev"} == set(project["dependency-groups"])
    assert "--hash=sha256:" in (folder / "uv-itself.txt").read_text()
    opened = loader.open_workspace(here.root)
    experiment = loader.open_experiment(opened, "shop/churn_rate")
    assert experiment.test_stage is not None and experiment.dev_stage.name == "dev"
    read = loader.WorkspaceFiles(here.root).read
    found = source_of("src/shop/churn_rate/environment/pyproject.toml", read, "x")
    assert (found.kind, found.name) == ("uv", "uv.lock")
    # Only the files that the build copies, each of which exists.
    assert main(["check"]) == 0
    assert main(["add", "churn_rate", "pandas"]) == 1


def test_new_experiment_without_an_index_is_not_made(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(folder: Path, reach: Network) -> None:
        raise UserError("no index", code="index-unreachable", hint="Connect")

    monkeypatch.setattr(uv, "lock_project", lock)
    before = sorted(path.name for path in (here.root / "src").iterdir())
    assert main(["new", "idea", "--env", "uv"]) == 1
    assert sorted(path.name for path in (here.root / "src").iterdir()) == before


def test_a_copy_takes_no_env(here: Workspace) -> None:
    here.add("tiny", "print(1)")
    assert main(["new", "other", "--from", "tiny", "--env", "uv"]) == 2
