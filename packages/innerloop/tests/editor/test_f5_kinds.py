"""F5 in the other kinds of jobs: several processes, a sweep's trial, a pipeline's step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editor.dap import Editor
from tests.editor.f5 import JOB, open_file_port, own_port, rendered, seen, started
from tests.support import PYTEST, Workspace

TRAIN = """import os
import sys

rank = os.environ.get("RANK")
print("rank", rank, sys.argv[1:], flush=True)
"""
TWICE = """command: python train.py --world $WORLD_SIZE
distribution: {type: pytorch, process_count_per_instance: 2}
"""
SWEEP = """type: sweep
trial:
  command: python train.py --lr ${{search_space.lr}}
  code: .
  environment: {build: {path: ./environment}}
search_space:
  lr: {type: choice, values: [0.5, 0.1]}
objective: {goal: minimize, primary_metric: loss}
sampling_algorithm: grid
"""
PIPELINE = """type: pipeline
jobs:
  prepare:
    command: echo 3 > ${{outputs.numbers}}/all
    code: .
    environment: {build: {path: ./environment}}
    outputs: {numbers: {type: uri_folder}}
  train:
    command: python train.py ${{inputs.numbers}}
    code: .
    environment: {build: {path: ./environment}}
    inputs: {numbers: "${{parent.jobs.prepare.outputs.numbers}}"}
"""


def job(workspace: Workspace, text: str) -> Path:
    folder = workspace.add("line", TRAIN, job="command: none\n")
    (folder / "azure-ml-job.yaml").write_text(
        text
        if "environment" in text
        else f"{text}code: .\nenvironment: {{build: {{path: ./environment}}}}\n"
    )
    own_port(workspace, "line")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    return folder


@pytest.mark.docker
def test_both_processes_of_a_distributed_job(workspace: Workspace, editors: list[Editor]) -> None:
    folder = job(workspace, TWICE)
    editor = started(workspace, editors)
    stops = {folder / "train.py": [5]}
    editor.attach(stops)
    ranks = [editor.next_process(stops) for _ in range(2)]
    threads = [rank.stopped() for rank in ranks]
    both = [
        (rank.evaluate("rank", thread), rank.evaluate("sys.argv[1:]", thread))
        for rank, thread in zip(ranks, threads, strict=True)
    ]
    assert sorted(both) == [(repr(str(rank)), repr(["--world", "2"])) for rank in range(2)]
    for rank, thread in zip(ranks, threads, strict=True):
        rank.go_on(thread)
    assert editor.exit_code() == 0, editor.text
    assert "[rank 0] rank 0" in editor.text and "[rank 1] rank 1" in editor.text
    assert workspace.containers() == []


def test_a_trial_of_a_sweep(workspace: Workspace, editors: list[Editor]) -> None:
    folder = job(workspace, SWEEP)
    editor = started(workspace, editors, "line: trial in its container", engine=False)
    stops = {folder / "train.py": [5]}
    editor.attach(stops)
    trial = editor.next_process(stops)
    thread = trial.stopped()
    assert trial.evaluate("sys.argv[1:]", thread) == repr(["--lr", "0.5"])
    trial.go_on(thread)
    assert editor.exit_code() == 0, editor.text


def test_a_step_of_a_pipeline(workspace: Workspace, editors: list[Editor]) -> None:
    folder = job(workspace, PIPELINE)
    earlier = workspace.loop("run", "line", "--backend", "venv")
    assert earlier.code == 0, earlier.err
    editor = started(workspace, editors, "line: step train in its container", engine=False)
    stops = {folder / "train.py": [5]}
    editor.attach(stops)
    step = editor.next_process(stops)
    thread = step.stopped()
    assert seen(step, thread) == (str(folder / "train.py"), 5)
    assert step.evaluate("open(sys.argv[1] + '/all').read().strip()", thread) == repr("3")
    step.go_on(thread)
    assert editor.exit_code() == 0, editor.text


def test_the_tests_in_the_open_file(workspace: Workspace, editors: list[Editor]) -> None:
    job(workspace, "command: python train.py\n")
    open_file_port(workspace)
    workspace.write("src/line/environment/requirements-dev.txt", PYTEST)
    workspace.write("src/line/tests/test_other.py", "def test_it():\n    assert False\n")
    file = "src/line/tests/test_it.py"
    path = workspace.write(file, "def test_it():\n    number = 1\n    assert number\n")
    assert workspace.loop("sync").code == 0
    editor = started(workspace, editors, "the tests in this file", engine=False, file=file)
    stops = {path: [3]}
    editor.attach(stops)
    process = editor.next_process(stops)
    thread = process.stopped()
    assert seen(process, thread) == (str(path), 3)
    assert process.evaluate("number", thread) == "1"
    process.go_on(thread)
    assert editor.exit_code() == 0, editor.text  # the other file's test fails, and is not run
    answer = workspace.loop("test", "line", "--port", "24000")
    assert answer.code == 2 and "Add --debug" in answer.message


def test_what_cannot_be_debugged_as_one_is_said(workspace: Workspace) -> None:
    job(workspace, PIPELINE)
    answer = workspace.loop("run", "line", "--debug")
    assert answer.code == 2
    assert "only one step can be debugged" in answer.message
    answer = workspace.loop("run", "line", "--port", "24000")
    assert answer.code == 2
    assert "Add --debug" in answer.message
    job(workspace, SWEEP)
    answer = workspace.loop("run", "line", "--debug", "--trials", "2")
    assert answer.code == 2
    assert "only one trial can be debugged" in answer.message


def test_a_port_of_ones_own(workspace: Workspace) -> None:
    job(workspace, TWICE)
    workspace.write("src/line/innerloop.toml", "debug_port = 24999\n")
    assert workspace.loop("sync").code == 0
    assert rendered(workspace, JOB)["connect"] == {"host": "127.0.0.1", "port": 24999}
    workspace.write("src/line/innerloop.toml", 'debug_port = "x"\n')
    assert "debug_port is not a port number" in workspace.loop("sync").err
