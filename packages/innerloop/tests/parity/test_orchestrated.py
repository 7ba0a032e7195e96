"""Orchestrators as columns: what their files on disk would start, held against Azure ML."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import Workspace

JOB = """inputs:
  epochs: 8
environment_variables: {FLAVOUR: sweet}
command: python train.py --epochs ${{inputs.epochs}}
"""
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
SET = "[schedule.set]\ninputs.epochs = 16\nenvironment_variables.FLAVOUR = 'sour'\n"
GITHUB = ".github/workflows/train-line.yml"
PIPELINE = "orchestration/azure-devops/train-line.yml"


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)\n", job=JOB, toml=SCHEDULE)
    assert workspace.loop("sync").code == 0
    return workspace


def table(workspace: Workspace, code: int = 0) -> dict[str, Any]:
    answer = workspace.loop("parity", "line", "--json")
    assert answer.code == code, answer.out + answer.err
    (told,) = json.loads(answer.out)
    return dict(told)


def test_they_run_the_same_command_with_the_same_environment(synced: Workspace) -> None:
    backends = table(synced)["backends"]
    assert list(backends)[-2:] == ["github", "azure-devops"]
    for backend in ("github", "azure-devops"):
        assert all(fact["same"] for fact in backends[backend].values())
        assert backends[backend]["command"]["value"] == "python train.py --epochs 8"


def test_what_the_schedule_changes_is_shown_and_explained(synced: Workspace) -> None:
    synced.write("src/line/innerloop.toml", SCHEDULE + SET)
    assert synced.loop("sync").code == 0
    backends = table(synced)["backends"]
    for backend in ("github", "azure-devops"):
        facts = backends[backend]
        assert facts["command"]["value"] == "python train.py --epochs 16"
        assert "FLAVOUR=sour" in facts["variables"]["value"]
        assert not facts["command"]["same"] and facts["environment"]["same"]
        changed = (
            "[schedule.set] in innerloop.toml changes inputs.epochs, environment_variables.FLAVOUR"
        )
        assert facts["command"]["why"] == changed


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        (GITHUB, "--scheduled", "--scheduled --set inputs.epochs=99",
         ["github: command", "github: variables"]),
        (PIPELINE, " --scheduled", "", ["azure-devops: command", "azure-devops: variables"]),
        (PIPELINE, "--scheduled", "--scheduled --set resources.shm_size=1g", ["azure-devops: shm"]),
    ],
)  # fmt: skip
def test_what_somebody_changed_in_a_workflow_alone_is_named(
    synced: Workspace, path: str, old: str, new: str, named: list[str]
) -> None:
    synced.write("src/line/innerloop.toml", SCHEDULE + SET)
    assert synced.loop("sync").code == 0
    text = synced.read(path)
    assert old in text
    synced.write(path, text.replace(old, new, 1))
    code = 0 if path == PIPELINE and not new else 1
    told = table(synced, code)
    assert told["unexplained"] == ([] if code == 0 else named)
    if code == 0:  # without the schedule's changes it is what Azure ML runs
        assert told["backends"]["azure-devops"]["command"]["same"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the generated file does not exist"),
        ("name: x\n", "no step calls `loop submit`"),
        ("name: [\n", "not YAML"),
        ("run: loop submit other\n", 'the experiment "other" does not exist'),
    ],
)
def test_a_workflow_that_starts_nothing_is_said(
    synced: Workspace, text: str | None, said: str
) -> None:
    if text is None:
        (synced.root / GITHUB).unlink()
    else:
        synced.write(GITHUB, text)
    assert said in table(synced)["backends"]["github"]["absent"]


def test_each_step_of_a_pipeline(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n", toml=SCHEDULE)
    environment = "environment: {build: {path: ./environment}}"
    step = f"{{command: 'echo ${{{{inputs.n}}}}', inputs: {{n: '${{{{parent.inputs.n}}}}'}}, {environment}}}"
    workspace.write(
        "src/line/azure-ml-job.yaml",
        f"type: pipeline\ninputs: {{n: 3}}\njobs:\n  one: {step}\n  two: {step}\n",
    )
    assert workspace.loop("sync").code == 0
    told = json.loads(workspace.loop("parity", "line", "--json").out)
    assert [one["experiment"] for one in told] == ["line: one", "line: two"]
    for one in told:
        assert one["backends"]["github"]["command"] == one["backends"]["azure-devops"]["command"]
        assert one["backends"]["github"]["command"]["same"]
