"""Completion, hover and lenses in a job file that is being typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.jobs import job_fields, known_keys
from innerloop.model.jobs.job_completion import (
    Completion,
    WorkspaceValues,
    complete,
    lenses,
    values_in,
)
from innerloop.model.jobs.yaml_cursor import cursor_at

KNOWN = WorkspaceValues(
    computes=("azureml:cpu-cluster", "azureml:gpu"),
    environments=("azureml:sklearn:3",),
    data=("azureml:mnist:1",),
    components=("./train.yml",),
    build_folders=("./environment",),
    data_paths={"labels": "data/own"},
    exists=lambda path: path == "data/mnist",
)
NAME = "src/digits/azure-ml-job.yaml"
PIPELINE = """type: pipeline
inputs:
  rate: 0.1
jobs:
  prepare:
    command: python prepare.py
    outputs: {clean: {type: uri_folder}}
  train:
    command: python train.py --x ${{inputs.x}} --r @2
    inputs:
      x: ${{parent.@1}}
      @3
"""


def at(text: str, mark: str = "@") -> tuple[str, int, int]:
    """The text without its marks, and the place of one."""
    offset = text.index(mark)
    before = text[:offset]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
    for one in ("@1", "@2", "@3", "@"):
        if one != mark and one in text:
            text = text.replace(one, "")
    return text.replace(mark, ""), line, column


def found(text: str, mark: str = "@") -> Completion:
    plain, line, column = at(text, mark)
    return complete(plain, NAME, line, column, KNOWN)


def labels(text: str, mark: str = "@") -> list[str]:
    return [item.label for item in found(text, mark).items]


@pytest.mark.parametrize(
    ("text", "path", "key", "before"),
    [
        ("@", (), "", ""),
        ("comm@", (), "", "comm"),
        ("inputs:\n  @", ("inputs",), "", ""),
        ("inputs:\n  x: 1\n@", (), "", ""),
        ("inputs:\n  x:\n    ty@\ncode: .\n", ("inputs", "x"), "", "ty"),
        ("inputs:\n  x:\n    type: uri@", ("inputs", "x"), "type", "uri"),
        ("compute: azureml:@", (), "compute", "azureml:"),
        ("compute: @ # where\n", (), "compute", ""),
        ("inputs: {x: {type: @", ("inputs", "x"), "type", ""),
        ("inputs: {x: {path: a, @", ("inputs", "x"), "", ""),
        ("inputs: {x: {path: a}, y: @}", ("inputs",), "y", ""),
        ("inputs: {\n  x: 1,\n  y: {ty@\n", ("inputs", "y"), "", "ty"),
        ("environment:\n  build:\n    path: @\n", ("environment", "build"), "path", ""),
        ("command: >-\n  python train.py\n  --x @\ncode: .\n", (), "command", "--x "),
        ("command: |\n  if a: @\n", (), "command", "if a: "),
        ("command: python\n  train.py @\n", (), "command", "train.py "),
        ("search_space:\n  x:\n    values: [1, @]\n", ("search_space", "x"), "values", ""),
        ("jobs:\n  a:\n    inputs:\n      x: 1\n    @", ("jobs", "a"), "", ""),
        ("a:\n  - name: x\n    @", ("a", "-"), "", ""),
        ('"a b":\n  @', ("a b",), "", ""),
        ("tags: {}\n@", (), "", ""),
        ("command: [\ncompute: @", (), "compute", ""),
    ],
)
def test_cursor_knows_the_mapping_around_it(
    text: str, path: tuple[str, ...], key: str, before: str
) -> None:
    cursor = cursor_at(*at(text))
    assert (cursor.path, cursor.key, cursor.before) == (path, key, before)


@given(st.text(st.sampled_from("a:{}[],- \n\"'|>#$&*é\t"), max_size=60), st.data())
def test_cursor_is_somewhere_in_any_text(text: str, data: st.DataObject) -> None:
    line = data.draw(st.integers(1, text.count("\n") + 2))
    column = data.draw(st.integers(1, 70))
    completion = complete(text, NAME, line, column, KNOWN)
    width = len(text.split("\n")[completion.line - 1])
    assert 1 <= completion.start <= completion.end <= width + 1


def test_keys_are_those_of_the_place_with_their_meaning() -> None:
    top = found("co@\ncode: .\n")
    command = next(item for item in top.items if item.label == "command")
    assert command.detail.startswith("What runs") and command.text == "command: "
    assert "code" not in [item.label for item in top.items]
    assert set(labels("type: sweep\ntrial:\n  @")) == set(known_keys.BELOW["trial"])
    assert {"trial", "component", "command"} <= set(labels("jobs:\n  train:\n    @"))
    assert set(labels("inputs:\n  x:\n    @")) == set(known_keys.INPUT)
    assert labels("environment_variables:\n  @") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("compute: @", ["azureml:cpu-cluster", "azureml:gpu"]),
        ("settings:\n  default_compute: @\njobs:\n", ["azureml:cpu-cluster", "azureml:gpu"]),
        ("environment: @", ["{build: {path: ./environment}}", "azureml:sklearn:3"]),
        ("environment: {build: {path: @", ["./environment"]),
        ("objective:\n  goal: @", ["minimize", "maximize"]),
        ("inputs:\n  x:\n    path: @", ["azureml:mnist:1"]),
        ("jobs:\n  a:\n    component: @", ["./train.yml"]),
        ("settings:\n  force_rerun: @\njobs:\n", ["true", "false"]),
    ],
)
def test_values_are_those_that_fit(text: str, wanted: list[str]) -> None:
    assert labels(text) == wanted


def test_data_are_shown_with_the_local_path_that_stands_for_them() -> None:
    (mnist,) = found("inputs:\n  x:\n    path: @").items
    assert mnist.detail == "here: data/mnist"
    (own,) = found("inputs:\n  labels:\n    path: @").items
    assert own.detail == "here: data/own, which does not exist"


@pytest.mark.parametrize(
    ("mark", "wanted"),
    [
        ("@1", ["parent.inputs.rate", "parent.jobs.prepare.outputs.clean"]),
        ("@2", []),
        ("@3", ["rate"]),
    ],
)
def test_a_step_refers_to_its_pipeline_and_to_other_steps(mark: str, wanted: list[str]) -> None:
    assert [one for one in labels(PIPELINE, mark) if one != "x"] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "command: python train.py --x ${{inputs.@\ninputs:\n  x: 3\n  y: {path: azureml:mnist:1}\n",
        "command: python train.py --x ${{@\ninputs:\n  x: 3\n  y: {path: azureml:mnist:1}\n",
        "inputs: {x: 3, y: {path: azureml:mnist:1}}\ncommand: >-\n  python\n  ${{inputs.@}} b: [\n",
        "inputs: {x: 3, y: {path: azureml:mnist:1}}\nenvironment_variables:\n  A: '${{inputs.@",
    ],
)
def test_references_are_the_declared_names_though_the_text_does_not_parse(text: str) -> None:
    completion = found(text)
    assert [item.label for item in completion.items] == ["inputs.x", "inputs.y"]
    assert [item.text for item in completion.items] == ["inputs.x}}", "inputs.y}}"]
    assert completion.items[1].detail == "azureml:mnist:1, here: data/mnist"
    line = at(text)[0].split("\n")[completion.line - 1]
    rest = line[: completion.start - 1] + completion.items[0].text + line[completion.end - 1 :]
    assert "${{inputs.x}}" in rest and "}}}" not in rest


def test_a_sweep_refers_to_its_search_space() -> None:
    text = "type: sweep\ntrial:\n  command: a ${{search_space.@\nsearch_space:\n  lr: {type: uniform, min_value: 0}\n"
    (item,) = found(text).items
    assert (item.label, item.detail) == ("search_space.lr", "uniform, min_value: 0")


@pytest.mark.parametrize(
    ("text", "hover"),
    [
        ("comp@ute: x\n", "compute: Where Azure ML runs it"),
        ("objective:\n  goal: mini@mize\n", "goal: Whether a larger or a smaller"),
        ("command: a ${{inputs.@x}}\ninputs: {x: 7}\n", "inputs.x: 7"),
        ("inputs:\n  @x: 7\n", "x: 7"),
        ("inputs:\n  x:\n    path: azureml:mn@ist:1\n", "azureml:mnist:1: here: data/mnist"),
        ("unknown@: 3\n", ""),
    ],
)
def test_hover_says_what_the_word_means(text: str, hover: str) -> None:
    assert found(text).hover.startswith(hover)
    assert bool(found(text).hover) == bool(hover)


def test_lenses_are_at_what_can_be_run() -> None:
    kind, (whole,) = lenses("inputs: {}\ncommand: python [\n")
    assert (kind, whole.line, whole.what, whole.words) == ("command", 2, "", ())
    kind, places = lenses(at(PIPELINE, "@1")[0])
    assert kind == "pipeline"
    assert [(one.line, one.what, one.words) for one in places] == [
        (4, "", ()),
        (5, "prepare", ("--step", "prepare")),
        (8, "train", ("--step", "train")),
    ]
    sweep = (
        "type: sweep\ntrial:\n  command: a\nsearch_space:\n  x: {}\nlimits: {max_total_trials: 9}\n"
    )
    assert [(one.line, one.words) for one in lenses(sweep)[1]] == [(2, ()), (4, ("--trials", "9"))]
    assert lenses("$schema: x/commandComponent.schema.json\ncommand: a\n") == ("component", ())


def test_each_known_key_has_a_meaning() -> None:
    for kind in ("command", "sweep", "pipeline", "component"):
        for path in _places():
            for field in job_fields.fields_at(kind, path):
                assert field.meaning, (kind, path, field.key)
                assert not field.meaning.endswith(".")
    for key, names in known_keys.BELOW.items():
        path = ("environment", key) if key == "build" else (key,)
        shown = job_fields.fields_at("sweep", path)
        assert {field.key for field in shown} == set(names), key


def _places() -> list[tuple[str, ...]]:
    places = [(), ("jobs", "a"), ("inputs", "a"), ("outputs", "a"), ("services", "a")]
    places += [
        ("search_space", "a"),
        ("environment", "build"),
        *((key,) for key in known_keys.BELOW),
    ]
    return [*places, ("identity",), ("early_termination",), ("sampling_algorithm",)]


def test_values_of_job_files_are_collected() -> None:
    document = {"compute": "azureml:c", "jobs": {"a": {"environment": "azureml:e:1"}}}
    inputs = {"x": {"path": "azureml:d:1"}, "y": {"path": "../data"}, "z": {"path": "${{a}}"}}
    assert list(values_in({**document, "inputs": inputs})) == [
        ("compute", "azureml:c"),
        ("environment", "azureml:e:1"),
        ("data", "azureml:d:1"),
    ]
