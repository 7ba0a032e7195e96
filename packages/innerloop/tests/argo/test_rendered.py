"""orchestration/argo/<slug>.yml: what a cluster takes, what starts, and when it is rendered."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.argo.jobs import NODES, PIPELINE, SWEEP, put
from tests.argo.lint import SCHEMA, faults
from tests.support import Workspace

PATH = "orchestration/argo/line.yml"
TOML = """
[schedule]
cron = "0 3 * * 1"
branch = "release"
orchestrators = ["argo"]
[schedule.set]
"inputs.epochs" = 16
[schedule.allowed]
epochs = [8, 16, 32]
[argo]
namespace = "ml"
[argo.data.raw]
claim = "datasets"
"""
JOB = """
command: python -u train.py --epochs ${{inputs.epochs}} --name ${{inputs.name}}
code: .
environment: {build: {path: ./environment}}
inputs: {epochs: 8, name: "$$a"}
"""


@pytest.fixture
def work(workspace: Workspace) -> Workspace:
    workspace.write("pyproject.toml", '[tool.innerloop]\nregistry = "reg.example/team"\n')
    workspace.add("line", "", toml=TOML)
    for script in ("prep.sh", "train.sh"):
        workspace.write(f"src/line/{script}", "")
    return workspace


def rendered(work: Workspace) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = work.loop("sync")
    assert answer.code == 0, answer.err
    template, cron = yaml.safe_load_all(work.read(PATH))
    if SCHEMA.exists():
        assert faults(template) == [] and faults(cron) == []
    assert work.loop("sync", "--check").code == 0
    return template, cron


def test_a_template_and_what_starts_it(work: Workspace) -> None:
    put(work, JOB)
    template, cron = rendered(work)
    assert (template["kind"], cron["kind"]) == ("WorkflowTemplate", "CronWorkflow")
    assert template["metadata"]["name"] == cron["metadata"]["name"] == "line"
    assert template["metadata"]["namespace"] == "ml"
    parameters = {one["name"]: one for one in template["spec"]["arguments"]["parameters"]}
    assert parameters["epochs"] == {"name": "epochs", "value": "16", "enum": ["8", "16", "32"]}
    assert parameters["name"]["value"] == "$$$$a"  # the kubelet takes two for one
    assert parameters["image"]["value"] == "reg.example/team/line:run"
    (pod,) = template["spec"]["templates"]
    assert pod["container"]["image"] == "{{workflow.parameters.image}}"
    assert pod["container"]["imagePullPolicy"] == "Always"
    text = "python -u train.py --epochs {{workflow.parameters.epochs}}"
    assert pod["container"]["args"] == [f"{text} --name {{{{workflow.parameters.name}}}}"]
    assert cron["spec"]["schedules"] == ["0 3 * * 1"] and cron["spec"]["timezone"] == "UTC"
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron["spec"]["workflowSpec"] == {"workflowTemplateRef": {"name": "line"}}
    head = work.read(PATH).splitlines()[0]
    assert head.startswith("# Rendered by `scripts/loop sync` from src/line/innerloop.toml")


@pytest.mark.parametrize(
    "job", [SWEEP, NODES + "inputs: {epochs: 8}\n", PIPELINE.replace("count", "epochs")]
)
def test_every_kind_of_job(work: Workspace, job: str) -> None:
    put(work, job)
    template, _ = rendered(work)
    assert "{{workflow.parameters.image}}" in str(template)
    assert template["spec"]["entrypoint"] == "main"


def test_steps_of_other_environments_have_images_of_their_own(work: Workspace) -> None:
    other = "code: .\n    environment: {image: 'python:3'}\n    inputs: {clean"
    put(
        work,
        PIPELINE.replace("count", "epochs").replace(
            "code: .\n    environment: {build: {path: ./environment}}\n    inputs: {clean", other
        ),
    )
    template, _ = rendered(work)
    given = {one["name"]: one["value"] for one in template["spec"]["arguments"]["parameters"]}
    (more,) = set(given) - {"epochs", "image"}
    assert more.startswith("image-") and given[more].startswith("reg.example/team/line-")


def test_a_component_in_a_file_of_its_own(work: Workspace) -> None:
    inline = """    command: sh prep.sh ${{inputs.raw}} ${{inputs.epochs}} ${{outputs.clean}}
    code: .
    environment: {build: {path: ./environment}}
"""
    work.write(
        "src/line/prep.yml",
        "command: sh prep.sh ${{inputs.raw}} ${{inputs.epochs}} ${{outputs.clean}}\ncode: .\n"
        "environment: {build: {path: ./environment}}\n"
        "inputs: {raw: {type: uri_folder}, epochs: {type: integer}}\noutputs: {clean: }\n",
    )
    text = PIPELINE.replace("count", "epochs")
    assert inline in text
    put(work, text.replace(inline, "    component: ./prep.yml\n"))
    template, _ = rendered(work)
    assert "sh prep.sh /mnt/inputs/raw {{workflow.parameters.epochs}}" in str(template)


def test_a_new_line_of_code_renders_nothing_anew(work: Workspace) -> None:
    put(work, JOB)
    rendered(work)
    work.write("src/line/train.py", "print('other')\n")
    assert work.loop("sync", "--check").code == 0


def test_without_argo_in_the_schedule_there_is_no_file(work: Workspace) -> None:
    put(work, JOB)
    rendered(work)
    work.write("src/line/innerloop.toml", TOML.replace('["argo"]', '["github"]'))
    assert work.loop("sync").code == 0
    assert not (work.root / PATH).exists()


def test_no_registry_and_data_that_nobody_placed(work: Workspace) -> None:
    work.write("pyproject.toml", "[tool.innerloop]\n")
    put(
        work,
        JOB.replace("--name", "${{inputs.x}} --name").replace(
            "inputs: {", "inputs: {x: {type: uri_folder, path: azureml:x:1}, "
        ),
    )
    checked = work.loop("check", "line")
    assert checked.code == 1
    assert "src/line/innerloop.toml:5:1: error: " in checked.out
    assert "[registry-missing]" in checked.out
    assert "[data-location-missing]" in checked.out
    synced = work.loop("sync")
    assert synced.code == 1 and "a cluster pulls images from a registry" in synced.err
    assert not (work.root / PATH).exists()


def test_check_reads_the_settings(work: Workspace) -> None:
    put(work, JOB)
    work.write("src/line/innerloop.toml", "[argo]\nmemory = '4 GB'\n")
    checked = work.loop("check", "line")
    assert checked.code == 1
    assert "src/line/innerloop.toml:2:1: error: argo.memory = '4 GB'" in checked.out
    assert "[setting-invalid]" in checked.out
    work.write("src/line/innerloop.toml", "[argo]\nmemory = '4G'\n[argo.data.rew]\nclaim = 'x'\n")
    checked = work.loop("check", "line")
    assert checked.code == 0 and 'argo.data: the job has no input "rew"' in checked.out


def test_an_input_that_is_called_image_is_not_the_image(work: Workspace) -> None:
    put(work, JOB.replace("inputs: {", "inputs: {image: cat.png, "))
    template, _ = rendered(work)
    values = {one["name"]: one["value"] for one in template["spec"]["arguments"]["parameters"]}
    assert values["image"] == "cat.png" and values["run-image"] == "reg.example/team/line:run"
    (pod,) = template["spec"]["templates"]
    assert pod["container"]["image"] == "{{workflow.parameters.run-image}}"
    (told,) = json.loads(work.loop("parity", "line", "--json").out)
    assert told["backends"]["argo by time"]["image"]["same"]


def test_a_schedule_counts_for_a_submission_too(work: Workspace) -> None:
    put(work, JOB)
    words = ("submit", "line", "--backend", "argo", "--dry-run", "--json", "--scheduled")
    told = json.loads(work.loop(*words, "--inputs", '{"epochs": 32, "name": "b"}').out)
    assert told["command"] == "python -u train.py --epochs 32 --name b"
    refused = work.loop(*words, "--inputs", '{"epochs": 9}')
    assert refused.code == 2 and "epochs = 9 is not allowed" in refused.message


def test_parity_reads_the_file_as_it_is_found(work: Workspace) -> None:
    put(work, JOB)
    rendered(work)
    (told,) = json.loads(work.loop("parity", "line", "--json").out)
    assert told["unexplained"] == []
    column = told["backends"]["argo by time"]
    assert column["command"]["value"] == "python -u train.py --epochs 16 --name $$a"
    assert "inputs.epochs=16" in column["command"]["why"]
    assert column["image"]["same"] and column["environment"]["same"] and column["mounts"]["same"]
    work.write(PATH, work.read(PATH).replace("python -u train.py", "python -u other.py"))
    answer = work.loop("parity", "line", "--json")
    assert answer.code == 1
    assert "argo by time: command" in json.loads(answer.out)[0]["unexplained"]
    work.write(PATH, "a: b\n")
    (told,) = json.loads(work.loop("parity", "line", "--json").out)
    assert "it holds no WorkflowTemplate" in told["backends"]["argo by time"]["absent"]
