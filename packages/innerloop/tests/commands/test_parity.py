"""`loop parity`: the shipped experiments agree everywhere, and a difference that crept in is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import Workspace, clone

JOB = """command: python train.py --data ${{inputs.data}} --epochs ${{inputs.epochs}} --out "${{outputs.model}}"
inputs:
  data: {type: uri_folder, path: "azureml:things:1"}
  epochs: 8
outputs:
  model: {type: uri_folder}
environment_variables: {FLAVOUR: sweet}
resources: {shm_size: 4g}
"""
STAGES = """FROM python:3.11-slim-bookworm AS base
FROM base AS dev
RUN useradd --uid 1000 someone
USER someone
FROM base AS job
"""


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)\n", job=JOB, dockerfile=STAGES)
    workspace.write("data/things/one.txt", "1")
    workspace.write("src/line/innerloop.toml", '[argo.data.data]\nclaim = "things"\n')
    assert workspace.loop("sync").code == 0
    return workspace


def table(workspace: Workspace, *words: str, code: int = 0) -> list[dict[str, Any]]:
    answer = workspace.loop("parity", *words, "--json")
    assert answer.code == code, answer.out + answer.err
    told: list[dict[str, Any]] = json.loads(answer.out)
    return told


def test_the_shipped_experiments_agree_in_every_place(tmp_path: Path, _tool: None) -> None:
    told = table(clone(tmp_path / "clone of it"))
    assert {one["experiment"] for one in told} >= {"digit_recognition", "digit_recognition_svm"}
    for one in told:
        assert one["unexplained"] == []
        started = [p for p in ("github", "azure-devops") if p in one["backends"]]
        assert bool(started) == (one["experiment"] == "digit_recognition")
        for backend in ("azureml", "docker", "venv", "in-container", "F5", *started):
            facts = one["backends"][backend]
            assert facts["command"]["same"], (one["experiment"], backend, facts["command"])
            assert facts["variables"]["same"] and facts["cwd"]["same"]
        assert one["backends"]["docker"]["environment"]["same"]
        assert one["backends"]["docker"]["image"]["same"]
        pod = one["backends"]["argo"]
        assert all(pod[row]["same"] for row in pod if row != "mounts"), pod


def test_the_facts_of_one_experiment(synced: Workspace) -> None:
    (told,) = table(synced, "line")
    backends = told["backends"]
    command = "python train.py --data ${{inputs.data}} --epochs 8 --out ${{outputs.model}}"
    assert {backends[p]["command"]["value"] for p in backends} == {command}
    assert "FLAVOUR=sweet" in backends["azureml"]["variables"]["value"]
    assert backends["azureml"]["shm"]["value"] == backends["docker"]["shm"]["value"] == "4g"
    assert (
        backends["in-container"]["shm"]["same"]
        and backends["in-container"]["user"]["value"] == "someone"
    )
    assert backends["docker"]["mounts"]["same"] and backends["argo"]["mounts"]["same"]
    assert "claim things -> /mnt/inputs/data" in backends["argo"]["mounts"]["shown"]
    text = synced.loop("parity", "line").out
    assert "the same" in text and "~ image in in-container, F5: the job's own packages" in text
    assert "!" not in text


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        (".vscode/launch.json", '"8"', '"9"', ["F5: command"]),
        (".vscode/launch.json", "sweet", "sour", ["F5: variables"]),
        (
            ".devcontainer/line/devcontainer.json",
            "src/line/environment/Dockerfile",
            "src/line/other/Dockerfile",
            ["in-container: environment", "F5: environment", "in-container: image", "F5: image"],
        ),
        (".devcontainer/line/devcontainer.json", '"4g"', '"1g"', ["in-container: shm", "F5: shm"]),
    ],
)
def test_what_somebody_changed_in_one_place_alone_is_named(
    synced: Workspace, path: str, old: str, new: str, named: list[str]
) -> None:
    text = synced.read(path)
    assert old in text
    synced.write(path, text.replace(old, new, 1))
    (told,) = table(synced, "line", code=1)
    assert told["unexplained"] == named
    answer = synced.loop("parity", "line")
    assert answer.code == 1 and ": unexplained" in answer.out


def test_a_people_s_stage_on_another_base_has_no_reason(workspace: Workspace) -> None:
    other = STAGES.replace("FROM base AS dev", "FROM python:3.11-slim-bookworm AS dev")
    workspace.add("line", "print(1)\n", dockerfile=other)
    assert workspace.loop("sync").code == 0
    (told,) = table(workspace, "line", code=1)
    assert "in-container: image" in told["unexplained"]


def test_a_command_that_is_no_plain_program_is_said(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n", job="command: pip list && python train.py\n")
    assert workspace.loop("sync").code == 0
    (told,) = table(workspace, "line")
    assert "no" in told["backends"]["F5"]["absent"]
    assert told["backends"]["venv"]["command"]["same"]


def test_a_sweep_by_its_first_trial_and_a_pipeline_step_by_step(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n")
    environment = "environment: {build: {path: ./environment}}"
    workspace.write(
        "src/line/sweep.yml",
        "type: sweep\nsearch_space: {rate: {type: choice, values: [0.1, 0.2]}}\n"
        "sampling_algorithm: grid\nobjective: {goal: minimize, primary_metric: loss}\n"
        "trial:\n  command: python train.py --rate ${{search_space.rate}}\n  code: .\n"
        f"  {environment}\n",
    )
    (told,) = table(workspace, "line", "--file", "sweep.yml")
    assert told["backends"]["docker"]["command"]["value"] == "python train.py --rate 0.1"
    assert (
        told["backends"]["argo"]["command"]["same"]
        and told["backends"]["argo"]["variables"]["same"]
    )
    step = f"{{command: python train.py, code: ., {environment}}}"
    workspace.write("src/line/pipe.yml", f"type: pipeline\njobs:\n  a: {step}\n  b: {step}\n")
    steps = table(workspace, "line", "--file", "pipe.yml")
    assert [one["experiment"] for one in steps] == ["line: a", "line: b"]
    assert all(not one["unexplained"] for one in steps)
    assert all(one["backends"]["argo"]["command"]["same"] for one in steps)


def test_a_job_without_code_begins_in_an_empty_folder(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n")
    workspace.write(
        "src/line/bare.yml", "command: echo hi\nenvironment: {build: {path: ./environment}}\n"
    )
    (told,) = table(workspace, "line", "--file", "bare.yml")
    assert {p["cwd"]["value"] for p in told["backends"].values() if "cwd" in p} == {"<empty>"}
    assert told["backends"]["docker"]["mounts"]["same"]


def test_a_cluster_that_would_run_something_else_is_found(
    synced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The column is what stands in the manifest: change that, and it differs."""
    from innerloop.argo_manifest import pod
    from innerloop.parity import columns
    from innerloop.workspace import loader

    plain = pod.template

    def other(part: Any, bound: Any, name: str) -> dict[str, Any]:
        made = plain(part, bound, name)
        made["container"]["args"] = ["python other.py"]
        made["container"]["image"] = "other:1"
        made["volumes"][0]["emptyDir"]["sizeLimit"] = "1Gi"
        return made

    monkeypatch.setattr(pod, "template", other)
    opened = loader.open_workspace(synced.root)
    experiment = loader.open_experiment(opened, "line")
    (found,) = columns.parity_of_job(opened, experiment, loader.open_job(opened, experiment))
    rows = {one.row for one in found.unexplained if one.backend == "argo"}
    assert rows >= {"command", "image", "environment", "shm"}


def test_data_that_a_cluster_does_not_have_leave_its_column_empty(synced: Workspace) -> None:
    synced.write("src/line/innerloop.toml", "")
    (told,) = table(synced, "line")
    assert "the location of the data of input" in told["backends"]["argo"]["absent"]
