"""Pipelines: the order of steps, where their inputs come from, and the sentence for each wrong one."""

from __future__ import annotations

import pytest

from innerloop.model.jobs.command import substitute
from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.pipeline import Pipeline, Step, pipeline_of, swept
from innerloop.util.errors import UserError
from innerloop.util.position import Position

INLINE = """type: pipeline
inputs:
  rows: 100
  raw: {type: uri_file, path: ./data/raw.csv}
  size: 2
outputs:
  best: {type: mlflow_model}
settings: {continue_on_step_failure: false}
jobs:
  report:
    command: cat ${{inputs.model}} > ${{outputs.text}}
    inputs: {model: "${{parent.jobs.train.outputs.model}}"}
    outputs:
      text: {type: uri_file}
    environment: {image: busybox}
  prepare:
    command: head -n ${{inputs.rows}} ${{inputs.raw}} > ${{outputs.clean}}/x
    inputs: {rows: "${{parent.inputs.rows}}", raw: "${{parent.inputs.raw}}", flag: true}
    outputs: {clean: }
    environment: {image: busybox}
  train:
    code: ./src
    command: python train.py ${{inputs.clean}} ${{outputs.model}}
    inputs:
      clean: {type: uri_folder, path: "${{parent.jobs.prepare.outputs.clean}}", mode: ro_mount}
    outputs: {model: "${{parent.outputs.best}}"}
    resources: {instance_count: "${{parent.inputs.size}}"}
    environment: {image: busybox}
"""
COMPONENT = """$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: train
inputs:
  data: {type: uri_folder}
  epochs: {type: integer, default: 3}
  note: {type: string, optional: true}
  extra: {type: uri_file, optional: true}
outputs:
  model: {type: mlflow_model}
code: ./code
environment:
  build: {path: ./environment}
command: >-
  python train.py --data ${{inputs.data}} --epochs ${{inputs.epochs}}
  $[[--note ${{inputs.note}}]] --model ${{outputs.model}}
"""


def pipeline(text: str, **files: str) -> Pipeline:
    contents = {name.replace("__", "/") + ".yml": body for name, body in files.items()}
    return pipeline_of(parse_job(text, "src/p/job.yml"), lambda path: contents[path])


def test_steps_stand_in_the_order_in_which_they_can_run() -> None:
    made = pipeline(INLINE)
    assert [step.name for step in made.steps] == ["prepare", "train", "report"]
    assert made.continue_on_step_failure is False
    prepare, train, report = made.steps
    assert prepare.job.inputs["rows"].literal_text == "100"
    assert (prepare.job.inputs["raw"].kind, prepare.job.inputs["raw"].path) == (
        "data",
        "./data/raw.csv",
    )
    assert prepare.passes == {"raw": "raw"}
    assert prepare.job.inputs["flag"].literal_text == "True"
    assert train.takes == {"clean": ("prepare", "clean")}
    assert train.gives == {"model": "best"}
    assert train.job.outputs["model"].type == "mlflow_model"
    assert train.job.instance_count == 2
    assert report.needs == ("train",)
    assert report.job.outputs["text"].is_file
    assert made.made_by == {"best": ("train", "model")}
    assert train.job.where("command") == Position("src/p/job.yml", 23, 5)


def step_of(inputs: str, more: str = "") -> str:
    head = "type: pipeline\ninputs: {epochs: 7}\noutputs: {o: }\njobs:\n"
    return f"{head}  train:\n    component: ../parts/train.yml\n    inputs: {inputs}\n{more}"


def test_a_component_with_its_defaults_and_paths_seen_from_its_file() -> None:
    text = step_of(
        '{data: {type: uri_folder, path: ./data}, epochs: "${{parent.inputs.epochs}}"}',
        "    resources: {shm_size: 8g}\n    outputs: {model: '${{parent.outputs.o}}'}\n",
    )
    (step,) = pipeline(text, src__parts__train=COMPONENT).steps
    job = step.job
    assert (job.name, job.code) == ("src/parts/train.yml", "./code")
    assert (job.inputs["data"].path, job.inputs["data"].type) == ("../p/data", "uri_folder")
    assert job.inputs["epochs"].literal_text == "7"
    assert [job.inputs[name].has_value for name in ("note", "extra")] == [False, False]
    assert (job.shm_size, job.environment.path) == ("8g", "./environment")
    assert job.outputs["model"].type == "mlflow_model"
    (other,) = pipeline(step_of("{data: azureml:mnist:1}"), src__parts__train=COMPONENT).steps
    assert other.job.inputs["epochs"].literal_text == "3"
    assert (other.job.inputs["data"].kind, other.job.inputs["data"].path) == (
        "data",
        "azureml:mnist:1",
    )


@pytest.mark.parametrize(
    ("kind", "default", "text"),
    [
        ("number", "1e-3", "0.001"),
        ("number", "1024", "1024.0"),
        ("integer", '"3"', "3"),
        ("integer", "2.7", "2"),
        ("boolean", '"true"', "True"),
        ("boolean", "false", "False"),
        ("string", "1.50", "1.5"),
        ("string", "true", "True"),
        ("number", "many", "many"),
    ],
)
def test_a_default_is_sent_as_its_type(kind: str, default: str, text: str) -> None:
    component = f"command: x\nenvironment: {{image: x}}\ninputs: {{a: {{type: {kind}, default: {default}}}}}"
    (step,) = pipeline("jobs: {s: {component: ./c.yml}}", src__p__c=component).steps
    assert step.job.inputs["a"].literal_text == text


def test_a_pipeline_component_stands_as_its_steps() -> None:
    outer = """type: pipeline
outputs: {end: }
jobs:
  get: {command: get, outputs: {rows: }, environment: {image: x}}
  inner:
    type: pipeline
    component: ./inner.yml
    inputs: {rows: "${{parent.jobs.get.outputs.rows}}"}
    outputs: {result: "${{parent.outputs.end}}"}
  last:
    command: use ${{inputs.x}}
    inputs: {x: "${{parent.jobs.inner.outputs.result}}"}
    environment: {image: x}
"""
    inner = """type: pipeline
inputs: {rows: {type: uri_folder}, n: {type: integer, default: 2}}
outputs: {result: {type: uri_folder}}
jobs:
  a:
    command: a ${{inputs.r}} ${{inputs.n}}
    inputs: {r: "${{parent.inputs.rows}}", n: "${{parent.inputs.n}}"}
    outputs: {o: "${{parent.outputs.result}}"}
    environment: {image: x}
"""
    made = pipeline(outer, src__p__inner=inner)
    assert [step.name for step in made.steps] == ["get", "inner.a", "last"]
    assert made.step("inner.a").takes == {"r": ("get", "rows")}
    assert made.step("inner.a").job.inputs["n"].literal_text == "2"
    assert made.step("last").takes == {"x": ("inner.a", "o")}
    assert made.made_by["end"] == ("inner.a", "o")


def test_a_sweep_step_takes_its_values_from_the_search_space() -> None:
    text = """type: pipeline
jobs:
  tune:
    type: sweep
    trial: ./train.yml
    inputs: {data: {path: ./d}}
    search_space: {epochs: {type: choice, values: [5, 6]}}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 2}
    outputs: {model: }
"""
    (step,) = pipeline(text, src__p__train=COMPONENT).steps
    assert (step.job.kind, list(step.job.search_space)) == ("sweep", ["epochs"])
    from innerloop.model.jobs.sweep import first_trial, with_trial

    job = with_trial(step.job, first_trial(step.job))
    assert job.inputs["epochs"].literal_text == "5"


SWEEP = """type: sweep
trial: file:./train.yml
inputs: {data: {path: ./d}, note: hi}
search_space: {epochs: {type: choice, values: [5, 6]}}
outputs: {model: }
"""


def test_a_sweep_may_name_its_trials_file() -> None:
    job = parse_job(SWEEP, "src/p/job.yml")
    assert (job.kind, job.command) == ("sweep", "")
    made = swept(job, {"src/p/train.yml": COMPONENT}.get)
    assert (made.kind, made.name, made.code) == ("sweep", "src/p/train.yml", "./code")
    assert (made.inputs["data"].path, made.inputs["note"].value) == ("d", "hi")
    assert list(made.search_space) == ["epochs"]
    wrong = parse_job(SWEEP.replace("note", "notes"), "src/p/job.yml")
    with pytest.raises(UserError) as caught:
        swept(wrong, {"src/p/train.yml": COMPONENT}.get)
    assert caught.value.code == "input-undeclared"
    assert caught.value.position == Position("src/p/job.yml", 3, 29)
    assert caught.value.hint == 'Did you mean "note"?'
    with pytest.raises(UserError, match="src/p/train.yml") as caught:
        swept(job, lambda path: None)
    assert caught.value.code == "component-file-missing"
    assert caught.value.position == Position("src/p/job.yml", 2, 1)


def test_step_that_cannot_run_here_has_a_problem() -> None:
    text = """type: pipeline
jobs:
  a: {type: spark, entry: {file: x.py}}
  b: {component: "azureml:train:1"}
  c: {command: c, environment: {image: x}}
  d: {component: ./d.yml}
"""
    a, b, c, d = pipeline(text, src__p__d="type: spark\ncode: .\n").steps
    assert a.problem is not None and a.problem.code == "no-local-equivalent"
    assert a.problem.position == Position("src/p/job.yml", 3, 3)
    assert "--set jobs.a.type=command --set jobs.a.component=./FILE.yml" in a.problem.hint
    assert b.problem is not None and b.problem.code == "component-registered"
    assert c.problem is None
    assert d.problem is not None and d.problem.code == "no-local-equivalent"


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "hint"),
    [
        ("type: pipeline\njobs: {}\n", "pipeline-empty", 2, 1, ""),
        ("type: pipeline\njobs:\n  a: x\n", "step-invalid", 3, 3, ""),
        (
            ("type: pipeline\njobs:\n  a:\n    command: x\n"
            "    inputs: {i: '${{parent.jobs.c.outputs.o}}'}\n  cc: {command: y}\n"),
            "reference-unknown", 5, 14, 'Did you mean "cc"?',
        ),
        (
            ("type: pipeline\ninputs: {epochs: 1}\njobs:\n  a:\n    command: x\n"
            "    inputs: {i: '${{parent.inputs.epoch}}'}\n"),
            "reference-unknown", 6, 14, 'Did you mean "epochs"?',
        ),
        (
            ("type: pipeline\njobs:\n"
            "  a: {command: x, inputs: {i: '${{parent.jobs.b.outputs.o}}'}, outputs: {o: }}\n"
            "  b: {command: x, inputs: {i: '${{parent.jobs.a.outputs.o}}'}, outputs: {o: }}\n"),
            "step-cycle", 3, 3, "",
        ),
        (
            "type: pipeline\njobs:\n  a: {command: x, outputs: {o: '${{parent.outputs.z}}'}}\n",
            "output-undeclared", 3, 29, "Declare it",
        ),
        (
            ("type: pipeline\njobs:\n  a: {command: x, outputs: {rows: }}\n  b:\n"
            "    command: y\n    inputs: {i: '${{parent.jobs.a.outputs.row}}'}\n"),
            "output-undeclared", 6, 14, 'Did you mean "rows"?',
        ),
        (
            ("type: pipeline\njobs:\n  a:\n    type: pipeline\n"
            "    jobs: {z: {command: x, outputs: {rows: }}}\n"
            "  b: {command: y, inputs: {i: '${{parent.jobs.a.outputs.row}}'}}\n"),
            "output-undeclared", 6, 28, "Write row: under",
        ),
        (step_of("{data: {path: x}, epoch: 3}"), "input-undeclared", 7, 31, '"epochs"'),
        (step_of("{epochs: 3}"), "input-without-value", 5, 3, "Write data: under its inputs"),
    ],
)  # fmt: skip
def test_invalid_pipeline_raises_at_its_position(
    text: str, code: str, line: int, column: int, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        pipeline(text, src__parts__train=COMPONENT)
    assert caught.value.code == code
    assert caught.value.position == Position("src/p/job.yml", line, column)
    assert hint in caught.value.hint


def test_names_with_a_hyphen_and_bindings_of_older_files() -> None:
    text = """type: pipeline
inputs: {n: 3}
jobs:
  get-data: {command: get, outputs: {rows: }, environment: {image: x}}
  use:
    type: component
    command: use ${{inputs.a}} ${{inputs.b}}
    inputs: {a: "${{jobs.get-data.outputs.rows}}", b: "${{inputs.n}}"}
    environment: {image: x}
"""
    use = pipeline(text).step("use")
    assert use.takes == {"a": ("get-data", "rows")}
    assert use.job.inputs["b"].literal_text == "3"


AMONG_TEXT = """type: pipeline
inputs:
  run: 7
  stem: rows
  raw: {type: uri_folder, path: ./data}
  kept: {type: uri_folder, path: azureml:mnist:1}
jobs:
  split:
    command: touch ${{outputs.parts}}/b.csv
    outputs: {parts: }
    environment: {image: busybox}
  count:
    command: wc ${{inputs.what}} > x_${{inputs.name}}
    inputs:
      name: run-${{parent.inputs.run}}-of-${{parent.inputs.stem}}
      what: WHAT
    environment: {image: busybox}
"""


def among_text(what: str) -> Step:
    return pipeline(AMONG_TEXT.replace("WHAT", what)).step("count")


def test_bindings_stand_among_other_text() -> None:
    step = among_text("${{parent.inputs.raw}}/${{parent.inputs.stem}}.csv")
    assert step.job.inputs["name"].literal_text == "run-7-of-rows"
    what = step.job.inputs["what"]
    assert (what.kind, what.type, what.path) == ("data", "uri_file", "./data/rows.csv")
    assert (step.takes, step.passes) == ({}, {})
    given = among_text('{type: mltable, mode: download, path: "${{parent.inputs.kept}}/table"}')
    what = given.job.inputs["what"]
    assert (what.type, what.mode, what.path) == ("mltable", "download", "azureml:mnist:1/table")


def test_a_step_takes_a_part_of_what_an_earlier_one_wrote() -> None:
    step = among_text("${{parent.jobs.split.outputs.parts}}/b.csv")
    assert step.takes == {"what": ("split", "parts")}
    assert step.below == {"what": "/b.csv"}
    assert among_text("${{parent.jobs.split.outputs.parts}}").below == {}


def test_data_in_the_middle_of_a_text_are_no_text() -> None:
    with pytest.raises(UserError) as caught:
        among_text("all-of-${{parent.inputs.raw}}")
    assert caught.value.code == "binding-invalid"
    assert caught.value.position == Position("src/p/job.yml", 16, 7)
    with pytest.raises(UserError, match="rav") as caught:
        among_text("${{parent.inputs.rav}}/b.csv")
    assert caught.value.code == "reference-unknown"


def test_a_step_takes_data_in_a_mode_of_its_own() -> None:
    step = among_text('{path: "${{parent.inputs.kept}}", mode: direct}')
    assert step.job.inputs["what"].passes_uri
    assert step.passes == {"what": "kept"}


def test_an_unknown_step_names_the_nearest() -> None:
    with pytest.raises(UserError, match='no step "trian". Did you mean "train"'):
        pipeline(INLINE).step("trian")


def test_a_component_that_is_not_there_is_found_where_it_is_named() -> None:
    with pytest.raises(UserError) as caught:
        pipeline_of(parse_job(step_of("{}"), "src/p/job.yml"), lambda path: None)
    assert caught.value.code == "component-file-missing"
    assert caught.value.position == Position("src/p/job.yml", 6, 5)


def test_a_component_written_in_the_step_and_groups_of_inputs() -> None:
    text = """type: pipeline
jobs:
  a:
    component:
      command: echo ${{inputs.n}} ${{inputs.g.rate}} ${{inputs.g.deep.x}}
      environment: {image: x}
      code: ./src
      inputs:
        n: {type: integer, default: 10}
        g:
          type: group
          values:
            rate: {type: number, default: 0.1}
            deep: {type: group, values: {x: {type: integer}}}
    inputs: {g.deep.x: 4}
  b:
    type: sweep
    search_space: {n: {type: choice, values: [1, 2]}}
    trial:
      command: echo ${{inputs.n}}
      environment: {image: x}
      inputs: {n: {type: integer}}
"""
    a, b = pipeline(text).steps
    given = {name: one.literal_text for name, one in a.job.inputs.items()}
    assert given == {"n": "10", "g.rate": "0.1", "g.deep.x": "4"}
    assert a.job.code == "./src"
    assert a.job.where("command") == Position("src/p/job.yml", 5, 7)
    assert (b.job.kind, list(b.job.inputs)) == ("sweep", ["n"])
    assert substitute(a.job.command, given, {}) == "echo 10 0.1 4"
