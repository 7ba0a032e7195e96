"""Job files: what they say, and the sentence for what they cannot."""

from __future__ import annotations

import pytest

from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import override, parse_job_with
from innerloop.model.jobs.pipeline import pipeline_of
from innerloop.util.errors import UsageError, UserError
from innerloop.util.position import Position

FULL = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
experiment_name: digits
command: >-
  python train.py
  --epochs ${{inputs.epochs}}
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1", mode: rw_mount}
  epochs: 8
  rate: 0.00001
  flag: true
outputs:
  model:
  table: {type: uri_file}
code: .
environment: {build: {path: ./environment}}
compute: azureml:gpu-cluster
resources: {instance_count: 2, shm_size: 4g}
limits: {timeout: 60}
services: {my_tensorboard: {type: tensor_board}}
"""


def test_all_that_is_modelled() -> None:
    job = parse_job(FULL, "job.yaml")
    assert job.kind == "command"
    assert job.command == "python train.py --epochs ${{inputs.epochs}}"
    assert (job.inputs["data"].kind, job.inputs["data"].path) == ("data", "azureml:mnist:1")
    assert job.inputs["data"].mode == "rw_mount"
    texts = [job.inputs[name].literal_text for name in ("epochs", "rate", "flag")]
    assert texts == ["8", "1e-05", "True"]
    assert [job.outputs[name].type for name in ("model", "table")] == ["uri_folder", "uri_file"]
    assert (job.environment.kind, job.environment.path) == ("build", "./environment")
    assert (job.shm_size, job.instance_count, job.timeout) == ("4g", 2, 60)
    assert job.document["services"] == {"my_tensorboard": {"type": "tensor_board"}}
    assert job.text.where("inputs", "epochs") == Position("job.yaml", 8, 3)
    assert job.text.where("resources", "nothing") == Position("job.yaml", 17, 1)


def test_silence() -> None:
    job = parse_job("command: make\n", "job.yaml")
    assert (job.code, job.shm_size, job.instance_count, job.environment.kind) == (
        None,
        "2g",
        1,
        "none",
    )


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("", "not-a-job-file", 1, 1),
        ("- a\n", "not-a-job-file", 1, 1),
        ("inputs: {a: 1}\n", "command-missing", 1, 1),
        ("command: ''\n", "command-missing", 1, 1),
        ("command: a\n  b: c\n", "not-yaml", 2, 4),
        ("command: 'a\n", "not-yaml", 2, 1),
        ("command: a\ninputs: [1]\n", "not-a-mapping", 2, 1),
        ("command: a\ninputs:\n  x:\n", "input-without-value", 3, 3),
        ("command: a\ninputs:\n  x: {mode: ro_mount}\n", "input-without-value", 3, 3),
        ("command: a\ninputs:\n  x: [1, 2]\n", "input-invalid", 3, 3),
        ("command: a\nenvironment: {}\n", "environment-invalid", 2, 1),
    ],
)
def test_invalid_job_file_raises_at_its_position(
    text: str, code: str, line: int, column: int
) -> None:
    with pytest.raises(UserError) as caught:
        parse_job(text, "job.yaml")
    assert caught.value.code == code
    assert caught.value.position == Position("job.yaml", line, column)


def test_misspelt_command_is_named() -> None:
    with pytest.raises(UserError) as caught:
        parse_job("comand: a\n", "job.yaml")
    assert "comand" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "path", "kind", "value"),
    [
        ("x: 0.00001", None, "literal", "1e-05"),
        ("x: yes", None, "literal", "True"),
        ("x: 010", None, "literal", "8"),
        ("x: azureml:mnist:1", None, "literal", "azureml:mnist:1"),
        ("x: {value: 3}", None, "literal", "3"),
        ("x: {value: 1}", None, "literal", "True"),
        ("x: {type: integer, default: 4}", None, "literal", "4"),
        ("x: {path: a}", "a", "data", "uri_folder"),
        ("x: {type: URI_FILE, path: a}", "a", "data", "uri_file"),
        ("x: {file: 'https://e.org/a'}", "https://e.org/a", "data", "uri_file"),
        ("x: {folder: ./a, mode: ro_mount}", "./a", "data", "uri_folder"),
        ("x: {data: azureml:a:1}", "azureml:a:1", "data", "uri_folder"),
        ("x: {data: {path: b}}", "b", "data", "uri_folder"),
    ],
)
def test_inputs_in_all_their_forms(text: str, path: str | None, kind: str, value: str) -> None:
    (one,) = parse_job(f"command: a\ninputs:\n  {text}\n", "job.yaml").inputs.values()
    assert (one.kind, one.path) == (kind, path)
    assert value == (one.literal_text if kind == "literal" else one.type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: a", ("image", None, "Dockerfile", "a", None, None)),
        ("{image: a, conda_file: c.yml}", ("conda", None, "Dockerfile", "a", "c.yml", None)),
        ("azureml:e@latest", ("registered", None, "Dockerfile", None, None, "azureml:e@latest")),
        (
            "build: {path: e, dockerfile_path: D.gpu}",
            ("build", "e", "D.gpu", None, None, None),
        ),
        ("build: {local_path: e}", ("build", "e", "Dockerfile", None, None, None)),
    ],
)
def test_environments(text: str, expected: tuple[object, ...]) -> None:
    body = text if text[0] == "{" or text.startswith("azureml") else f"{{{text}}}"
    one = parse_job(f"command: a\nenvironment: {body}\n", "job.yaml").environment
    assert expected == (
        one.kind,
        one.path,
        one.dockerfile,
        one.image,
        one.conda_file,
        one.reference,
    )


def test_numbers_as_azure_ml_takes_them() -> None:
    job = parse_job(
        "command: a\nresources: {instance_count: '2', docker_args: [--ipc, host]}\n"
        "limits: {timeout: 1.5}\ndistribution: {type: PyTorch, process_count_per_instance: 2}\n"
        "code: {local_path: src}\n",
        "job.yaml",
    )
    assert (job.instance_count, job.docker_args, job.timeout) == (2, "--ipc host", 1)
    assert job.distribution is not None
    assert (job.distribution.type, job.distribution.process_count_per_instance) == ("pytorch", 2)
    assert job.code == "src"


def test_set_reaches_everything_that_azure_ml_knows() -> None:
    job = parse_job(FULL, "job.yaml")
    changed = override(
        job,
        [
            "environment={image: busybox}",
            "resources.shm_size=8g",
            "distribution.type=pytorch",
            "distribution.process_count_per_instance=2",
            "environment_variables.DEBUG=1",
            "tags.stage=3",
            "outputs.more.type=uri_file",
            "inputs.rate=2026-01-01",
        ],
    )
    assert (changed.environment.image, changed.shm_size) == ("busybox", "8g")
    assert changed.distribution is not None
    assert changed.environment_variables == {"DEBUG": "1"}
    assert changed.document["environment_variables"] == {"DEBUG": "1"}
    assert changed.document["tags"] == {"stage": "3"}
    assert changed.outputs["more"].is_file
    assert changed.inputs["rate"].literal_text == "2026-01-01"


def test_set_can_make_a_job_whole() -> None:
    text = "command: a ${{inputs.x}}\ninputs: {x: , d: {type: uri_folder}}\n"
    job = parse_job_with(text, "job.yaml", ["inputs.x=3", "inputs.d=./here"])
    assert job.inputs["x"].literal_text == "3"
    assert (job.inputs["d"].kind, job.inputs["d"].path) == ("data", "./here")


def test_set_reaches_steps_and_trials() -> None:
    text = "type: pipeline\njobs: {train: {command: a, inputs: {epochs: 3}}}\n"
    job = override(parse_job(text, "job.yaml"), ["jobs.train.inputs.epochs=4"])
    assert job.document["jobs"]["train"]["inputs"] == {"epochs": 4}
    with pytest.raises(UsageError, match='no "jobs.trian". Did you mean "train"'):
        override(job, ["jobs.trian.inputs.epochs=4"])


def test_set_changes_one_value() -> None:
    job = parse_job(FULL, "job.yaml")
    changed = override(job, ["inputs.epochs=2", "inputs.data=./mine", "environment_variables.A=1"])
    assert changed.inputs["epochs"].literal_text == "2"
    assert (changed.inputs["data"].path, changed.inputs["data"].mode) == ("./mine", "rw_mount")
    assert changed.environment_variables == {"A": "1"}
    assert job.inputs["epochs"].value == 8
    assert override(job, ["inputs.epochs=a=b"]).inputs["epochs"].value == "a=b"
    assert override(job, ["inputs.data.path=x"]).inputs["data"].path == "x"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("inputs.epoch=2", 'the job has no "inputs.epoch". Did you mean "epochs"'),
        ("input.epochs=2", 'the job has no "input". Did you mean'),
        ("epochs", "is not of the form a.b=value"),
        ("resources.shm=2g", 'no "resources.shm". Did you mean "shm_size"'),
        ("command.x=2", '"command" is a single value'),
        ("inputs.=2", "is not of the form a.b=value"),
    ],
)
def test_set_names_the_nearest(said: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(parse_job(FULL, "job.yaml"), [said])


def test_services_answer_on_their_ports() -> None:
    job = parse_job(
        "command: a\nservices:\n  board: {type: tensor_board}\n  lab: {type: jupyter_lab, port: 9}\n"
        "  code: {type: vs_code}\n  own: {port: 80}\n",
        "job.yaml",
    )
    assert job.ports == {"board": 6006, "lab": 9, "own": 80}


def test_mode_direct_passes_the_address() -> None:
    job = parse_job(
        "command: a\ninputs:\n  u: {path: 'https://e.org/a', mode: direct}\n  d: {path: x}\n  n: 1\n",
        "job.yaml",
    )
    assert [one.passes_uri for one in job.inputs.values()] == [True, False, False]


def test_a_component_is_no_job() -> None:
    text = "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\n"
    text += "command: python train.py\ninputs:\n  data: {type: uri_folder}\n"
    with pytest.raises(UserError, match="train.yml:1:1: this file is a component, not a job"):
        parse_job(text, "train.yml")


@pytest.mark.parametrize(
    "text",
    [
        "type: command\nname: a\nversion: 1\ncommand: x\ninputs: {n: {type: integer}}\n",
        "name: a\nis_deterministic: true\njobs: {a: {command: x}}\n",
        "type: CommandComponent\ncommand: x\n",
    ],
)
def test_a_component_without_its_schema(text: str) -> None:
    with pytest.raises(UserError, match="this file is a component, not a job"):
        parse_job(text, "train.yml")


def test_a_job_with_a_components_key_is_still_a_job() -> None:
    assert parse_job("command: x\nversion: 1\ncompute: azureml:c\n", "a.yml").command == "x"


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("name: e\nauth_mode: key\n", "an Azure ML endpoint"),
        ("name: b\nendpoint_name: e\nenvironment: azureml:x:1\n", "an Azure ML deployment"),
        ("name: b\nmodel: azureml:m:1\ninstance_type: STANDARD_DS3_V2\n", "an Azure ML deployment"),
        ("name: n\nversion: 1\nimage: busybox\n", "an Azure ML environment"),
        ("name: n\nbuild: {path: .}\n", "an Azure ML environment"),
        ("name: n\ntype: uri_folder\npath: .\n", "Azure ML data"),
        ("name: n\ntype: mlflow_model\npath: .\n", "an Azure ML model"),
        ("name: n\ntype: amlcompute\nsize: x\n", "an Azure ML compute"),
        ("name: n\ntype: azure_blob\n", "an Azure ML datastore"),
        ("dependencies:\n- python=3.11\n", "a conda environment"),
        ("on: push\njobs: {a: {runs-on: x, steps: []}}\n", "a workflow of GitHub Actions"),
        (
            "on: push\njobs: {a: {uses: ./.github/workflows/b.yml}}\n",
            "a workflow of GitHub Actions",
        ),
        ("jobs: {a: {uses: acme/b/.github/workflows/c.yml@v1}}\n", "a workflow of GitHub Actions"),
        ("'on': {workflow_call: }\njobs: {a: {uses: x/y@main}}\n", "a workflow of GitHub Actions"),
        ("name: x\nruns: {using: composite, steps: []}\n", "an action of GitHub Actions"),
        ("extends: {template: t.yml@all}\n", "a pipeline of Azure DevOps"),
        ("pr: none\nsteps: [{script: x}]\n", "a pipeline of Azure DevOps"),
        ("steps: [{template: t.yml}]\n", "a pipeline of Azure DevOps"),
        ("trigger: none\njobs:\n- job: a\n", "a pipeline of Azure DevOps"),
        ("pool: {vmImage: x}\nsteps:\n- script: a\n", "a pipeline of Azure DevOps"),
        ("services: {web: {image: x}}\n", "containers for Docker Compose"),
        ("apiVersion: batch/v1\nkind: Job\n", "a Kubernetes object"),
        ("entry_points: {main: {command: x}}\n", "an MLflow project"),
        ("script: a.py\nframework: Python\n", "a run of Azure ML's SDK v1"),
        ("type: Microsoft.MachineLearningServices/workspaces/jobs\n", "a response of the service"),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\n",
            "an Azure ML managed online endpoint",
        ),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n",
            "Azure ML data",
        ),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/hub.schema.json\n",
            "an Azure ML hub",
        ),
        (
            "$schema: https://azuremlschemas.azureedge.net/promptflow/latest/Run.schema.json\n",
            "a prompt flow",
        ),
        ("nodes:\n- name: a\noutputs: {}\n", "a prompt flow"),
        ("stages: {a: {cmd: x}}\n", "a pipeline of DVC"),
        ("stages: [test]\na: {script: [x]}\n", "a pipeline of GitLab"),
        ("stages:\n- stage: a\n", "a pipeline of Azure DevOps"),
        ("pipeline: {steps: {}}\n", "a pipeline of Azure ML's SDK v1"),
        ("program: a.py\nmethod: grid\n", "a sweep of Weights & Biases"),
    ],
)
def test_a_file_that_is_no_job_is_called_by_its_name(text: str, described: str) -> None:
    with pytest.raises(UserError, match=f"this file describes {described}.*, not a job") as caught:
        parse_job(text, "other.yml")
    assert "help job" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["lr: 0.1\n", "code: .\ncompute: azureml:c\n", "environment: {image: x}\n"]
)
def test_a_job_that_lacks_its_command_is_no_other_file(text: str) -> None:
    with pytest.raises(UserError, match="the job has no command"):
        parse_job(text, "a.yml")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("name: n\ntrigger: {type: cron}\ncreate_job: ./job.yml\n", "schedule"),
        ("name: n\ntrigger: {type: cron}\ncreate_monitor: {}\n", "schedule"),
        ("$schema: https://azureml/latest/monitorSchedule.schema.json\nname: n\n", "schedule"),
        ("$schema: https://azureml/latest/autoMLImageClassificationJob.schema.json\n", "automl"),
        ("$schema: https://azureml/latest/dataTransferJob.schema.json\n", "data_transfer"),
        ("$schema: https://azureml/latest/sparkJob.schema.json\n", "spark"),
    ],
)
def test_kinds_that_a_schema_or_a_key_names(text: str, kind: str) -> None:
    with pytest.raises(UserError, match=f"a job of type {kind} cannot run here"):
        parse_job(text, "a.yml")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("x {inputs.a} {outputs.m}", "x ${{inputs.a}} ${{outputs.m}}"),
        ("x {search_space.lr}", "x ${{search_space.lr}}"),
        ("x {{inputs.a}} ${{inputs.a}}", "x {{inputs.a}} ${{inputs.a}}"),
        ("x {inputs.a b} {inputs.}", "x ${{inputs.a b}} ${{inputs.}}"),
        ("x {input.a} {inputs} { inputs.a }", "x {input.a} {inputs} { inputs.a }"),
    ],
)
def test_the_old_dialect_is_read_as_the_client_sends_it(written: str, sent: str) -> None:
    assert parse_job(f"command: {written!r}\n", "a.yml").command == sent
    sweep = f"type: sweep\ntrial: {{command: {written!r}, environment: azureml:e:1}}\n"
    assert parse_job(sweep, "a.yml").command == sent


def test_the_old_dialect_of_a_step_stays() -> None:
    text = "type: pipeline\njobs:\n  a: {command: 'x {inputs.a}', environment: azureml:e:1, inputs: {a: 1}}\n"
    (step,) = pipeline_of(parse_job(text, "a.yml"), lambda path: None).steps
    assert step.job.command == "x {inputs.a}"
