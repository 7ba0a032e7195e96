"""A new experiment whose packages are in a uv.lock, without an engine."""

from __future__ import annotations

import sys

import pytest

from tests.support import Workspace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VENV = ("--backend", "venv")


@pytest.mark.network
@pytest.mark.nightly
def test_experiment_of_uv_runs_and_is_tested_from_its_lock(workspace: Workspace) -> None:
    made = workspace.loop("new", "shop/churn_rate", "--env", "uv")
    assert made.code == 0, made.message
    folder = workspace.root / "src/shop/churn_rate/environment"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["Dockerfile", "pyproject.toml", "uv-itself.txt", "uv.lock"]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "shop-churn-rate"
    assert {"test", "dev"} == set(project["dependency-groups"])
    locked = {one["name"] for one in tomllib.loads((folder / "uv.lock").read_text())["package"]}
    assert {"pytest", "debugpy"} <= locked
    tested = workspace.loop("test", "churn_rate", *VENV)
    assert tested.code == 0 and "2 passed" in tested.out, tested.message
    assert "no problems" in workspace.loop("check").out
    assert "everything is up to date" in workspace.loop("sync", "--check").out
    added = workspace.loop("add", "churn_rate", "pandas")
    assert added.code == 1 and "uv add --project src/shop/churn_rate/environment" in added.message
    copied = workspace.loop("new", "other", "--from", "churn_rate", "--env", "uv")
    assert copied.code == 2 and "option-not-applicable" in copied.message
