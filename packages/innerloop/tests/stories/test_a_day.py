"""A person's way through the tool, one command after another."""

from __future__ import annotations

import json

from tests.support import Workspace


def test_from_a_new_experiment_to_its_second_version(workspace: Workspace) -> None:
    venv = ("--backend", "venv")
    assert workspace.loop("new", "churn").code == 0
    assert workspace.loop("run", "churn", *venv).code == 0
    # An argument of the program and an input of the job, in their two places.
    workspace.write(
        "src/churn/train.py",
        "import sys; open('outputs/rate', 'w').write(sys.argv[1]); print('rate', sys.argv[1])",
    )
    workspace.write(
        "src/churn/azure-ml-job.yaml",
        "command: python train.py ${{inputs.rate}}\ninputs: {rate: 0.1}\ncode: .\n"
        "environment: {build: {path: ./environment}}\n",
    )
    assert workspace.loop("run", "churn", *venv).out == "rate 0.1\n"
    other = workspace.loop(
        "run", *venv, "--set", "inputs.rate=0.5", cwd=workspace.root / "src/churn"
    )
    assert other.out == "rate 0.5\n", other.err
    # F5 follows the job file after a sync, and nothing else changes.
    assert workspace.loop("sync").code == 0
    launch = json.loads(workspace.read(".vscode/launch.json"))
    assert ["0.1"] in [one.get("args") for one in launch["configurations"]]
    assert workspace.loop("sync", "--check").code == 0
    assert len(list((workspace.root / "outputs/churn").glob("*/rate"))) == 2


def test_deleting_one_experiment_breaks_nothing_in_another(workspace: Workspace) -> None:
    import shutil

    for name in ("first", "second"):
        assert workspace.loop("new", name).code == 0
    shutil.rmtree(workspace.root / "src/first")
    assert workspace.loop("sync").code == 0
    assert workspace.loop("list").code == 0
    assert workspace.loop("run", "second", "--backend", "venv").code == 0
