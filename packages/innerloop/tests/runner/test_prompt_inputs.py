"""`loop run EXP --ask`: the inputs of the job file, changed line by line until an empty one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from innerloop.model.jobs.job import Job, parse_job
from innerloop.runner import prompt_inputs
from innerloop.util.errors import UsageError

JOB = """command: python train.py --epochs ${{inputs.epochs}} --name ${{inputs.name}}
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1"}
  epochs: 8
  name: one
code: .
environment: a:1
"""


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    return parse_job(JOB, "src/line/azure-ml-job.yaml")


def answers(*lines: str) -> Callable[[str], str]:
    waiting = iter(lines)
    return lambda prompt: next(waiting)


def test_enter_runs_it_as_it_is(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompt_inputs.ask(job, answers("")).inputs == job.inputs
    said = capsys.readouterr().out
    assert "  data    azureml:mnist:1\n  epochs  8\n  name    one\n" in said
    assert "Change some (epochs=..." in said


def test_what_was_changed_is_shown_beside_what_it_was(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = prompt_inputs.ask(job, answers("epochs=2 name='two words'", "tags.owner=me", ""))
    assert changed.inputs["epochs"].value == 2
    assert changed.inputs["name"].value == "two words"
    assert "  epochs  2   (was 8)\n" in capsys.readouterr().out


def test_a_wrong_line_is_said_and_asked_again(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    changed = prompt_inputs.ask(job, answers("epoch=2", "fast", "name='", "epochs=3", ""))
    assert changed.inputs["epochs"].value == 3
    said = capsys.readouterr().err
    assert 'the job has no "inputs.epoch". Did you mean "epochs"?' in said
    assert '"fast" is not of the form NAME=VALUE' in said
    assert "a quote is not closed" in said


def test_ctrl_d_stops(job: Job) -> None:
    def at_its_end(prompt: str) -> str:
        raise EOFError

    with pytest.raises(KeyboardInterrupt):
        prompt_inputs.ask(job, at_its_end)


def test_without_a_terminal_there_is_nobody_to_ask(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(UsageError, match="--set inputs.x=v"):
        prompt_inputs.ask(job, answers(""))
