"""Job files: what they say, and the sentence for what they cannot."""

from __future__ import annotations

import pytest
from innerloop.errors import Mistake, WrongUse
from innerloop.spec.job import parse_job
from innerloop.spec.overrides import override

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
    assert job.text.where("inputs", "epochs") == "job.yaml:8:3"
    assert job.text.where("resources", "nothing") == "job.yaml:17:1"


def test_silence() -> None:
    job = parse_job("command: make\n", "job.yaml")
    assert (job.code, job.shm_size, job.instance_count, job.environment.kind) == (
        None,
        "2g",
        1,
        "none",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "job.yaml:1: this is no job file"),
        ("- a\n", "job.yaml:1: this is no job file"),
        ("inputs: {a: 1}\n", "job.yaml:1: the job has no command. Write"),
        ("comand: a\n", 'the job has no command. Write `command:` for "comand"'),
        ("command: ''\n", "job.yaml:1:1: the job's command is empty"),
        ("command: a\n  b: c\n", "job.yaml:2:4: not YAML: mapping values"),
        ("command: 'a\n", "not YAML"),
        ("command: a\ninputs: [1]\n", 'job.yaml:2:1: "inputs" must hold names'),
        ("command: a\ninputs:\n  x:\n", 'job.yaml:3:3: the input "x" has no value'),
        ("command: a\ninputs:\n  x: {mode: ro_mount}\n", "neither a value nor a path"),
        ("command: a\ninputs:\n  x: [1, 2]\n", "is a list"),
        ("command: a\nenvironment: {}\n", "job.yaml:2:1: the environment has neither"),
    ],
)
def test_wrong_ones(text: str, sentence: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse_job(text, "job.yaml")
    assert sentence in caught.value.sentence()


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
    ("said", "sentence"),
    [
        ("inputs.epoch=2", 'the job has no "inputs.epoch". Did you mean "epochs"'),
        ("input.epochs=2", 'the job has no "input". Did you mean'),
        ("epochs", "is not of the form a.b=value"),
        ("inputs.=2", "is not of the form a.b=value"),
    ],
)
def test_set_names_the_nearest(said: str, sentence: str) -> None:
    with pytest.raises(WrongUse, match=sentence):
        override(parse_job(FULL, "job.yaml"), [said])
