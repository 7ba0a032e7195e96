"""Sweeps and pipelines in real containers: each part in its own, none left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import TINY, Workspace, until

pytestmark = pytest.mark.docker

DOCKER = ("--backend", "docker")
PIPELINE = """type: pipeline
inputs: {text: {type: uri_file, path: azureml:words:1}}
outputs: {summary: }
jobs:
  count:
    component: parts/count.yml
    inputs: {words: "${{parent.jobs.upper.outputs.words}}"}
    outputs: {summary: "${{parent.outputs.summary}}"}
  upper:
    command: python -u upper.py ${{inputs.text}} ${{outputs.words}}
    code: .
    inputs: {text: "${{parent.inputs.text}}"}
    outputs: {words: {type: uri_file}}
    environment: {build: {path: ./environment}}
"""
COUNT = """type: command
inputs: {words: {type: uri_file}}
outputs: {summary: {type: uri_folder}}
code: ./code
command: python -u count.py ${{inputs.words}} ${{outputs.summary}}
environment: {build: {path: ../environment}}
"""
UPPER = "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).read().upper())"
COUNTING = """
import os, sys
words = open(sys.argv[1]).read().split()
open(sys.argv[2] + "/n", "w").write(str(len(words)))
print(*words, sorted(os.listdir(".")))
"""
SWEEP = """type: sweep
trial:
  command: python -u train.py ${{search_space.x}}
  code: .
  environment: {build: {path: ./environment}}
sampling_algorithm: grid
search_space: {x: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: score}
"""


def states(folder: Path, record: str = "pipeline.json", key: str = "steps") -> Any:
    return json.loads((folder / record).read_text())[key]


def add_pipeline(workspace: Workspace, counting: str = COUNTING) -> None:
    workspace.add("tiny", "", dockerfile=TINY)
    workspace.write("src/tiny/upper.py", UPPER)
    workspace.write("src/tiny/pipeline.yml", PIPELINE)
    workspace.write("src/tiny/parts/count.yml", COUNT)
    workspace.write("src/tiny/parts/code/count.py", counting)
    workspace.write("data/words", "a b c")


def run(workspace: Workspace, *words: str) -> Any:
    return workspace.loop("run", "tiny", "--file", "pipeline.yml", *DOCKER, *words)


def test_two_steps_and_one_of_them_again(workspace: Workspace) -> None:
    add_pipeline(workspace)
    answer = run(workspace)
    assert answer.code == 0, answer.err
    assert answer.out == "A B C ['count.py', 'outputs']\n"
    folder = workspace.outputs("tiny")
    assert (folder / "upper/words").read_text() == "A B C"
    assert (folder / "summary/n").read_text() == "3"
    assert (folder / "summary/n").stat().st_uid == os.getuid()
    again = run(workspace, "--step", "count")
    assert (again.code, again.out) == (0, answer.out), again.err
    assert workspace.containers() == []


def test_a_failing_step_gives_its_code_and_the_rest_waits_for_nothing(workspace: Workspace) -> None:
    add_pipeline(workspace)
    workspace.write("src/tiny/upper.py", "raise SystemExit(9)")
    answer = run(workspace)
    assert answer.code == 9, answer.err
    assert "count: skipped: it needs upper" in answer.message
    assert workspace.containers() == []


def test_control_c_in_a_step(workspace: Workspace) -> None:
    add_pipeline(workspace, "import time\nprint('at work', flush=True)\ntime.sleep(120)\n")
    started = workspace.start("run", "tiny", "--file", "pipeline.yml", *DOCKER)
    started.wait_for("at work")
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert workspace.containers() == []
    rows = states(workspace.outputs("tiny"))
    assert {name: row["state"] for name, row in rows.items()} == {
        "upper": "done",
        "count": "stopped",
    }


TUNED = """type: pipeline
jobs:
  tune:
    type: sweep
    trial:
      command: echo ${{search_space.x}} $WHICH > ${{outputs.o}}/it; cp score${{search_space.x}} outputs/a.json
      code: ./code
      environment: {build: {path: ./environment}}
    sampling_algorithm: grid
    search_space: {x: {type: choice, values: [1, 2]}}
    objective: {goal: maximize, primary_metric: score}
    outputs: {o: }
  use:
    command: echo $(cat ${{inputs.i}}/it) $WHICH
    inputs: {i: "${{parent.jobs.tune.outputs.o}}"}
    environment: {build: {path: ./other}}
"""


def test_the_best_trial_hands_on_to_a_step_in_another_image(workspace: Workspace) -> None:
    workspace.add("tiny", "", dockerfile=TINY + "ENV WHICH=first\n")
    workspace.write("src/tiny/other/Dockerfile", TINY + "ENV WHICH=second\n")
    workspace.write("src/tiny/pipeline.yml", TUNED)
    for number in (1, 2):
        workspace.write(f"src/tiny/code/score{number}", f'{{"score": {number}}}')
    answer = run(workspace, "--trials", "2")
    assert (answer.code, answer.out) == (0, "2 first second\n"), answer.err
    assert answer.err.count("innerloop: building") == 2
    assert workspace.containers() == []


def test_trials_one_after_another(workspace: Workspace) -> None:
    train = "import json, sys; x = int(sys.argv[1]); print(x)\n"
    train += "json.dump({'score': x}, open('outputs/metrics.json', 'w')); sys.exit(x - 1)\n"
    workspace.add("tiny", train)
    workspace.write("src/tiny/azure-ml-job.yaml", SWEEP)
    answer = workspace.loop("run", "tiny", *DOCKER, "--trials", "2")
    assert (answer.code, answer.out) == (1, "1\n2\n"), answer.err
    assert "1 of 2 failed: trial-2 (exit code 1)" in answer.message
    assert answer.err.count("innerloop: building") == 1
    trials = states(workspace.outputs("tiny"), "trials.json", "trials")
    assert [(one["metric"], one["exit_code"]) for one in trials] == [(1.0, 0), (2.0, 1)]
    assert workspace.containers() == []


def test_control_c_stops_all_trials(workspace: Workspace) -> None:
    workspace.add("tiny", "import time\nprint('at work', flush=True)\ntime.sleep(120)\n")
    workspace.write("src/tiny/azure-ml-job.yaml", SWEEP)
    started = workspace.start("run", "tiny", *DOCKER, "--trials", "2")
    started.wait_for("at work")
    assert until(lambda: len(workspace.containers()) == 1, 5)
    started.interrupt_group()
    assert started.end(30).code == 130
    assert workspace.containers() == []
    trials = states(workspace.outputs("tiny"), "trials.json", "trials")
    assert [one["state"] for one in trials] == ["stopped", "waiting"]
