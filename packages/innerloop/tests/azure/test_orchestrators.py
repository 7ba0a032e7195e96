"""The one step of every rendered workflow, really run.

In a clean clone, with the environment of a runner, against Azure on loopback.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.azure import runner
from tests.azure.conftest import Cloud
from tests.azure.standin import GROUP, SUBSCRIPTION, TENANT, WORKSPACE, RunOf
from tests.support import Workspace, clone

pytestmark = [pytest.mark.azure, pytest.mark.workflows]
NAMES = {
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    "AZURE_RESOURCE_GROUP": GROUP,
    "AZUREML_WORKSPACE_NAME": WORKSPACE,
}
VARIABLES = {"AZURE_CLIENT_ID": runner.CLIENT, "AZURE_TENANT_ID": TENANT, **NAMES}
JOB = """experiment_name: tiny
command: python train.py --epochs ${{inputs.epochs}} --note ${{inputs.note}} --fast ${{inputs.fast}} --data ${{inputs.data}}
inputs:
  data:
    type: uri_folder
    path: azureml:digits:1
  epochs: 2
  note: "yes"
  fast: true
compute: azureml:cpu-cluster
"""
SCHEDULE = """[schedule]
cron = "0 3 * * 1"
branch = "release"
orchestrators = ["github", "azure-devops"]
[schedule.set]
"inputs.epochs" = 16
compute = "azureml:gpu-cluster"
[schedule.allowed]
epochs = [2, 16]
"""
GITHUB = ".github/workflows/train-tiny.yml"
PIPELINE = "orchestration/azure-devops/train-tiny.yml"
LOG = "user_logs/std_log.txt"


@pytest.fixture
def cloned(workspace: Workspace, tmp_path: Path) -> Workspace:
    """What `git clone` hands out: nothing of the person's machine is in it."""
    workspace.add("tiny", "print(1)\n", job=JOB, toml=SCHEDULE)
    assert workspace.loop("sync").code == 0
    return cloned_from(workspace, tmp_path / "clone of a runner")


def cloned_from(workspace: Workspace, target: Path) -> Workspace:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=workspace.root, check=True)
    subprocess.run(["git", "clone", "-q", str(workspace.root), str(target)], check=True)
    return Workspace(target)


def inputs_sent(cloud: Cloud) -> dict[str, str]:
    (body,) = cloud.azure.jobs.values()
    inputs = body["properties"]["inputs"]
    return {name: one.get("value", one.get("uri")) for name, one in inputs.items()}


def grants(cloud: Cloud) -> list[str]:
    """What the run showed at each sign-in, and that it was no secret."""
    assert not any("client_secret" in one for one in cloud.azure.grants)
    return [one["client_assertion"] for one in cloud.azure.grants]


def test_github_by_the_schedule(cloud: Cloud, cloned: Workspace, tmp_path: Path) -> None:
    cloud.azure.next_run = RunOf(["Queued", "Running", "Completed"])
    cloud.azure.next_metrics = {"accuracy": 0.98125, "loss": "NaN"}
    step = runner.github_step(runner.read(cloned.root / GITHUB), None, VARIABLES)
    assert step.branch == "release"
    outcome = runner.run_github(cloud, cloned, tmp_path, step)
    assert outcome.code == 0, outcome.log
    (body,) = cloud.azure.jobs.values()
    sent = inputs_sent(cloud)
    assert (sent["epochs"], sent["note"], sent["fast"]) == ("16", "yes", "True")
    assert body["properties"]["computeId"].endswith("/gpu-cluster")
    (name,) = cloud.azure.jobs
    assert "### ✅ tiny completed" in outcome.summary
    assert f"](<https://ml.azure.com/runs/{name}?wsid=" in outcome.summary
    assert "| inputs.epochs | 16 |" in outcome.summary and "| took | 1:02:03 |" in outcome.summary
    assert "| accuracy | 0.98125 |" in outcome.summary and "| loss | ⚠️ nan |" in outcome.summary
    assert grants(cloud) == ["vouched-by-github-1", "vouched-by-github-2"]  # for two audiences


def test_github_by_hand_with_values_that_a_shell_would_act_on(
    cloud: Cloud, cloned: Workspace, tmp_path: Path
) -> None:
    evil = "$(touch evil) `touch evil` ' \" \\ ; touch evil\n${{ x }}"
    given = {"epochs": "2", "note": evil, "fast": "false", "data": "azureml:digits:7"}
    step = runner.github_step(runner.read(cloned.root / GITHUB), given, VARIABLES)
    assert step.branch == "refs/heads/of-a-person"
    outcome = runner.run_github(cloud, cloned, tmp_path, step)
    assert outcome.code == 0, outcome.log
    sent = inputs_sent(cloud)
    assert (sent["epochs"], sent["note"], sent["fast"]) == ("2", evil, "False")
    assert sent["data"].endswith("digits/versions/7")
    assert not list(cloned.root.rglob("evil")) and not (tmp_path / "evil").exists()
    assert " ".join(evil.split()).replace("`", "\\`")[:16] in outcome.summary


def test_a_form_left_as_it_is_starts_what_the_schedule_starts(
    cloud: Cloud, cloned: Workspace, tmp_path: Path
) -> None:
    step = runner.github_step(runner.read(cloned.root / GITHUB), {}, VARIABLES)
    assert runner.run_github(cloud, cloned, tmp_path, step).code == 0
    sent = inputs_sent(cloud)
    assert (sent["epochs"], sent["note"], sent["fast"]) == ("16", "yes", "True")


@pytest.mark.parametrize(
    ("state", "error", "code", "words"),
    [
        ("Failed", "User process 'python' exited with status code 7.", 7, "### ❌ tiny failed"),
        ("Canceled", "", 130, "### 🚫 tiny was cancelled"),
    ],
)
def test_a_job_that_does_not_end_well_is_a_red_run(
    cloud: Cloud, cloned: Workspace, tmp_path: Path, state: str, error: str, code: int, words: str
) -> None:
    cloud.azure.next_run = RunOf(["Running", state], {}, error)
    step = runner.github_step(runner.read(cloned.root / GITHUB), None, VARIABLES)
    outcome = runner.run_github(cloud, cloned, tmp_path, step)
    assert outcome.code == code, outcome.log
    assert words in outcome.summary and f"/runs/{next(iter(cloud.azure.jobs))}" in outcome.summary
    assert not error or "exited with status code 7" in outcome.summary
    assert outcome.code != 0


def test_a_sign_in_that_azure_refuses_is_a_red_run_that_says_so(
    cloud: Cloud, cloned: Workspace, tmp_path: Path
) -> None:
    cloud.azure.fault(r"POST .*/oauth2/v2\.0/token", 401, "invalid_client",
                      message="AADSTS700213: No matching federated identity record found")  # fmt: skip
    step = runner.github_step(runner.read(cloned.root / GITHUB), None, VARIABLES)
    outcome = runner.run_github(cloud, cloned, tmp_path, step)
    assert outcome.code == 1 and cloud.azure.jobs == {}
    assert "tiny: no job was started" in outcome.summary


@pytest.mark.parametrize("variables", [VARIABLES, NAMES])
def test_a_run_without_the_right_to_a_token(
    cloud: Cloud, cloned: Workspace, tmp_path: Path, variables: dict[str, str]
) -> None:
    cloud.azure.fault("GET .*/oidc/token", 403, "Forbidden")
    step = runner.github_step(runner.read(cloned.root / GITHUB), None, variables)
    outcome = runner.run_github(cloud, cloned, tmp_path, step)
    assert outcome.code == 1
    assert "The workflow needs `permissions: id-token: write`" in outcome.log
    assert "id-token: write" in outcome.summary


def test_each_sign_in_of_a_long_wait_has_a_token_of_its_own(
    cloud: Cloud, cloned: Workspace, tmp_path: Path
) -> None:
    """Azure's token has run out each time it is needed again, as after an hour."""
    cloud.azure.lifetime = 0
    cloud.azure.next_run = RunOf(["Running", "Running", "Running", "Completed"])
    step = runner.github_step(runner.read(cloned.root / GITHUB), None, VARIABLES)
    assert runner.run_github(cloud, cloned, tmp_path, step).code == 0
    assert len(set(grants(cloud))) == len(grants(cloud)) > 4


def test_azure_pipelines(cloud: Cloud, cloned: Workspace, tmp_path: Path) -> None:
    cloud.azure.next_run = RunOf(["Running", "Completed"])
    cloud.azure.next_metrics = {"f1": 0.5}
    step = runner.pipeline_step(
        runner.read(cloned.root / PIPELINE), {"note": "$(System.AccessToken)", "fast": "false"}
    )
    assert step.branch == "release"
    outcome = runner.run_pipeline(cloud, cloned, tmp_path, step, NAMES)
    assert outcome.code == 0, outcome.log
    sent = inputs_sent(cloud)
    assert (sent["epochs"], sent["note"], sent["fast"]) == (
        "16", "$(System.AccessToken)", "False",
    )  # fmt: skip
    assert f"##vso[task.uploadsummary]{tmp_path}/summary.md" in outcome.log.splitlines()
    assert "| f1 | 0.5 |" in outcome.summary and "### ✅ tiny completed" in outcome.summary
    assert grants(cloud) == ["vouched-by-pipelines-1", "vouched-by-pipelines-2"]


def test_azure_pipelines_ends_red_with_the_job(
    cloud: Cloud, cloned: Workspace, tmp_path: Path
) -> None:
    cloud.azure.next_run = RunOf(["Failed"], {}, "exited with status code 3")
    step = runner.pipeline_step(runner.read(cloned.root / PIPELINE), {})
    outcome = runner.run_pipeline(cloud, cloned, tmp_path, step, NAMES)
    assert outcome.code == 3 and "### ❌ tiny failed" in outcome.summary


def test_the_shipped_workflow_in_a_clone_of_this_workspace(
    cloud: Cloud, _tool: None, tmp_path: Path
) -> None:
    """All of what git hands out, its own scripts among it; metrics are those that train.py writes."""
    shipped = cloned_from(clone(tmp_path / "source"), tmp_path / "clone")
    cloud.azure.next_run = RunOf(["Completed"])
    scores = {"test_accuracy": 0.99}
    cloud.azure.next_outputs = {"metrics.json": json.dumps(scores)}
    workflow = runner.read(shipped.root / ".github/workflows/train-digit_recognition.yml")
    step = runner.github_step(workflow, {"epochs": "16"}, VARIABLES)
    outcome = runner.run_github(cloud, shipped, tmp_path, step)
    assert outcome.code == 0, outcome.log
    assert inputs_sent(cloud)["epochs"] == "16"
    assert "| test\\_accuracy | 0.99 |" in outcome.summary
