"""Sweep and pipeline files that are damaged in any one place give jobs or a sentence, no traceback."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.pipeline import pipeline_of, swept
from innerloop.model.jobs.sweep import first_trial, objective, total_timeout, trial_job, trials
from innerloop.util.errors import UserError
from tests.steps import EVERY_STEP, ONE_OF

COMPONENT = """type: command
inputs: {d: {type: uri_folder, optional: true}, n: {type: integer, default: 3}}
outputs: {o: {type: uri_folder}}
code: ./code
environment: {build: {path: ./environment, dockerfile_path: Dockerfile}}
command: python a.py ${{inputs.n}} $[[--d ${{inputs.d}}]]
"""
INNER = """type: pipeline
inputs: {rows: {type: uri_folder}}
outputs: {r: {type: uri_folder}}
jobs:
  z: {component: ./c.yml, inputs: {d: "${{parent.inputs.rows}}"}, outputs: {o: "${{parent.outputs.r}}"}}
"""
PIPELINE = """type: pipeline
inputs: {rows: 3, raw: {type: uri_file, path: ./raw.csv, mode: download}}
outputs: {best: {type: mlflow_model}}
settings: {continue_on_step_failure: false, environment: {image: x}}
jobs:
  a:
    command: head ${{inputs.n}} ${{inputs.raw}} > ${{outputs.o}}
    inputs: {n: "${{parent.inputs.rows}}", raw: {path: "${{parent.inputs.raw}}", type: uri_file}}
    outputs: {o: {type: uri_file}}
    resources: {instance_count: 1, shm_size: 1g}
    limits: {timeout: 60}
  b: {type: command, component: ./c.yml, inputs: {d: "${{parent.jobs.a.outputs.o}}", n: 5}}
  c: {type: pipeline, component: ./inner.yml, inputs: {rows: "${{parent.jobs.b.outputs.o}}"}}
  d:
    type: sweep
    trial: ./c.yml
    inputs: {d: "${{parent.jobs.c.outputs.r}}"}
    search_space: {n: {type: choice, values: [1, 2]}}
    outputs: {o: "${{parent.outputs.best}}"}
"""
SWEEP = """type: sweep
trial: {command: "x ${{search_space.a}}", environment: {image: x}, environment_variables: {V: w}}
sampling_algorithm: {type: random, rule: sobol, seed: 3, logbase: 2}
search_space:
  a: {type: choice, values: [1, {deep: {type: randint, upper: 4}}]}
  b: {type: qloguniform, min_value: -4, max_value: 2, q: 0.1}
  c: {type: normal, mu: 0, sigma: 1}
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 3, trial_timeout: 5, timeout: 60}
"""
FILES = {
    "src/p/job.yml": PIPELINE,
    "src/p/sweep.yml": SWEEP,
    "src/p/named.yml": SWEEP.replace(SWEEP.splitlines()[1], "trial: ./c.yml"),
    "src/p/c.yml": COMPONENT,
    "src/p/inner.yml": INNER,
}
JUNK: tuple[Any, ...] = (
    None, "", "x", 3, -1, 0.5, float("inf"), float("nan"), True, [], ["a"], [[1]], {}, {"a": 1},
    {"type": 5}, {"path": None}, {1: 2}, "${{parent.inputs.x}}", "${{parent.jobs.b.outputs.o}}",
    "azureml:x:1", "./c.yml", "./inner.yml",
)  # fmt: skip


def positions(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from positions(value[key], (*path, key))


# So many damages of a document are all met.
SMALL = 400


def damaged(text: str, one_of: int) -> Iterator[str]:
    """The document with each of its values taken away, and replaced by each piece of junk.

    Of these, one of so many, and all of a small document.
    """
    document = yaml.safe_load(text)
    damages = list(itertools.product(positions(document), ("nothing at all", *JUNK)))
    for path, junk in damages[:: one_of if len(damages) > SMALL else 1]:
        changed = copy.deepcopy(document)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        if junk == "nothing at all":
            del holder[path[-1]]
        else:
            holder[path[-1]] = junk
        yield yaml.safe_dump(changed)


def understood(files: dict[str, str], name: str) -> None:
    """All that `loop run --dry-run` asks of the specification."""
    job = parse_job(files[name], name)
    if job.kind == "pipeline":
        jobs = [step.job for step in pipeline_of(job, files.get).steps if step.problem is None]
    else:
        jobs = [swept(job, files.get)]
    for one in jobs:
        if one.kind == "sweep":
            trial_job(one, first_trial(one))
            assert (objective(one), total_timeout(one)) is not None
            for values in trials(one, 2):
                trial_job(one, values)


@EVERY_STEP
@pytest.mark.parametrize("name", FILES)
def test_a_sentence_or_a_job(name: str, every: bool) -> None:
    roots = [name] if "/c." not in name and "inner" not in name else ["src/p/job.yml"]
    sentences = 0
    for text in damaged(FILES[name], 1 if every else ONE_OF):
        files = {**FILES, name: text}
        for root in roots:
            try:
                understood(files, root)
            except UserError as mistake:
                assert mistake.message().startswith(("src/p/", "--set"))
                sentences += 1
    assert sentences > 20


def test_undamaged_ones_are_jobs() -> None:
    for name in ("src/p/job.yml", "src/p/sweep.yml", "src/p/named.yml"):
        understood(FILES, name)
