"""Forms of job files: what `check` says of each, and what Azure's own client does with it.

A form that the client refuses is a finding that prevents a submission; one that it sends is none, and
the preview is what is sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest

from innerloop.model.lint.finding import blocks_submission
from innerloop.model.lint.job_file import check_text
from innerloop.util.errors import UserError
from innerloop.workspace.loader import WorkspaceFiles
from tests.azure import standin
from tests.azure.conftest import Cloud
from tests.azure.quick import Quick
from tests.support import Workspace

pytestmark = pytest.mark.azure

FILE = "src/tiny/azure-ml-job.yaml"
HEAD = "code: .\nenvironment: {image: python}\ncompute: azureml:cpu-cluster\n"
STEP = "command: echo hi\n    environment: {image: python}"
SWEEP = (
    "type: sweep\ntrial: {command: 'python train.py ${{search_space.x}}', code: .,"
    " environment: {image: python}}\nsampling_algorithm: random\n"
    "objective: {goal: maximize, primary_metric: m}\nlimits: {max_total_trials: 2}\n"
    "search_space: {x: {type: choice, values: [1]}}\ncompute: azureml:cpu-cluster\n"
)
ARM = f"{standin.ROOT}/environments/e/versions/1"


def literal(value: str) -> str:
    return f"command: python train.py ${{{{inputs.x}}}}\ninputs:\n  x: {value}\n{HEAD}"


def command(text: str) -> str:
    return f"command: {text}\ninputs: {{x: 5}}\n{HEAD}"


def more(line: str) -> str:
    return f"command: python train.py\n{line}\n{HEAD}"


def with_head(old: str, new: str) -> str:
    return f"command: python train.py\n{HEAD}".replace(old, new, 1)


def pipeline(step: str, settings: str = "settings: {default_compute: azureml:cpu-cluster}") -> str:
    return f"type: pipeline\n{settings}\njobs:\n  a:\n    {step}\n"


# What the client sends.
SENT = {
    **{f"literal {value}": literal(value) for value in (
        "yes", "Off", "'yes'", "1e-5", "1.0e-5", "0o17", "017", "1_000", "12:30:45", "'[1]'",
        "!!binary aGk=", "!!str 5", "'2026-11-29'", "1e400", '"a\\tb"', "|\n    a\n    b",
    )},
    **{f"command {text}": command(text) for text in (
        "python train.py {inputs.x}{inputs.x}", "'echo {inputs.x} ${{inputs.x}}'",
        "'echo { inputs.x } {Inputs.x} {inputs.x'",
    )},
    **{f"environment {one}": with_head("{image: python}", one) for one in (
        "azureml:train:1", f"azureml:{ARM}",
        "azureml://registries/azureml/environments/sklearn-1.5/versions/1",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "{name: e, version: 1.0, image: python}", "&e {image: python}",
    )},
    "sizes": more("resources: {instance_type: STANDARD_DS3_V2, instance_count: '2', shm_size: 2G}"),
    "kinds": more("distribution: {type: PyTorch}\nidentity: {type: Managed}\nqueue_settings: {job_tier: Spot}"),
    "merge keys": f"command: python train.py ${{{{inputs.a}}}}\ninputs:\n  <<: {{a: 5}}\n{HEAD}",
    "byte order mark": "\ufeff" + more("tags: {a: b}"),
    "a tab in quotes": more('description: "a\tb"'),
    "another schema": more("$schema: https://azuremlschemas.azureedge.net/latest/PipelineJob.schema.json"),
    "'[]' in a step": pipeline("command: echo ${{inputs.x}}\n    inputs: {x: '[]'}\n    environment: {image: python}"),
    "compute of a step": pipeline(f"compute: cpu-cluster\n    {STEP}", ""),
    "sweep": SWEEP,
}  # fmt: skip
# What it refuses.
REFUSED = {
    **{f"literal {value}": literal(value) for value in (
        "2026-11-29", "~", ".inf", "[]", "{}", "{type: integer, default: 3}",
        "{path: 'runs:/x/y'}", "{path: 'file:./docs'}", "{path: azureml:d}", "{path: azureml:a/b:1}",
        "{path: azureml://datastores/b/paths/x?y}",
    )},
    "an unknown reference": command("'echo ${{inputs.X}}'"),
    **{f"environment {one}": with_head("{image: python}", one) for one in (
        "train:1", "env.yaml", ARM, "{name: e, version: '1'}", "{image: 5}", "{conda_file: c.yaml}",
    )},
    **{f"code {one}": with_head("code: .", f"code: {one}") for one in (
        "git+https://example.com/a/b", "azureml:code:1", "azureml://registries/r/codes/c/versions/1",
        "file:.", ".\t", ".\t# all of it",
    )},
    **{line: more(line) for line in (
        "identity: managed", "identity: {}", "queue_settings: spot", "queue_settings: {priority: 5}",
        "tags: {on: x}", "tags: {1: x}", "outputs: {yes: }", "properties: [a]",
        "services: {off: {type: jupyter_lab}}", "inputs: {no: 1}", "type: Command",
    )},
    "a pipeline as a step": pipeline(f"type: pipeline\n    jobs: {{b: {{{'command: echo'}}}}}"),
    "a component without a version": pipeline("component: azureml:c"),
    "an input without anything": pipeline(f"{STEP}\n    inputs: {{x: {{}}}}"),
    "a default without azureml": pipeline(STEP, "settings: {default_compute: cpu-cluster}"),
    "a local default": pipeline(STEP, "settings: {default_compute: azureml:local}").replace("azureml:local", "local"),
    "a pipeline without its type": pipeline(STEP).removeprefix("type: pipeline\n"),
    "a sweep without its type": SWEEP.removeprefix("type: sweep\n"),
    "a step's search space": pipeline(SWEEP.replace("compute: azureml:cpu-cluster\n", "").replace("\n", "\n    ")),
    "a choice of nothing": SWEEP.replace("[1]", "[null]"),
    "a seed": SWEEP.replace(": random", ": {type: random, seed: x}"),
    "a metric": SWEEP.replace("metric: m", "metric: 5"),
}  # fmt: skip


def rows(forms: Mapping[str, str]) -> list[object]:
    """Every second form by default, all of them with --nightly."""
    names = list(forms)
    return [*names[::2], *(pytest.param(name, marks=pytest.mark.nightly) for name in names[1::2])]


def sent(quick: Quick, cloud: Cloud, workspace: Workspace, text: str) -> dict[str, Any] | None:
    """The body of the job that the client sends, without asking `check`; None if it refuses it."""
    from innerloop.remote.azureml.workspace_ref import WorkspaceRef

    workspace.write(FILE, text)
    path = str(workspace.root / FILE)
    target = WorkspaceRef(standin.SUBSCRIPTION, standin.GROUP, standin.WORKSPACE, "the test")
    order = {"root": str(workspace.root), "file": path, "name": "form", "resume": False}
    try:
        with mock.patch.dict(os.environ, {**cloud.env, "CI": "1"}):
            quick.connection.ask(
                "submit",
                target,
                lambda event: None,
                **order,
                overrides=[["experiment_name", "forms"]],
                ours=True,
            )
    except UserError as error:
        assert error.code in ("refused", "other", "not-found"), error
        return None
    return dict(cloud.azure.jobs["form"]["properties"])


@pytest.mark.parametrize("name", rows(SENT))
def test_form_that_the_client_sends_is_checked_and_previewed(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str
) -> None:
    body = sent(quick, cloud, tiny, SENT[name])
    assert body is not None
    findings = check_text(SENT[name], FILE, WorkspaceFiles(tiny.root))
    assert not blocks_submission(findings), findings
    if body["jobType"] != "Command":
        return
    expected = body["command"]
    for key, value in (body.get("inputs") or {}).items():
        expected = expected.replace("${{inputs." + key + "}}", value["value"])
    preview = quick.loop(tiny, "submit", "tiny", "--dry-run", "--json")
    assert json.loads(preview.out)["command"] == " ".join(expected.split())


@pytest.mark.parametrize("name", rows(REFUSED))
def test_form_that_the_client_refuses_is_a_finding(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str
) -> None:
    assert sent(quick, cloud, tiny, REFUSED[name]) is None
    findings = check_text(REFUSED[name], FILE, WorkspaceFiles(tiny.root))
    assert blocks_submission(findings), findings
    assert cloud.azure.jobs == {}
