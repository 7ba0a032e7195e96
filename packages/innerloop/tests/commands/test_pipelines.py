"""`loop run` on pipeline jobs, in the place that needs no engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from innerloop.commands import run as run_command
from innerloop.model.jobs.job import parse_job
from innerloop.util import console, selection
from tests.support import Answer, Workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")

VENV = ("--backend", "venv")
FILE = ("--file", "pipeline.yml")
PIPELINE = """type: pipeline
inputs: {rows: 2, raw: {type: uri_file, path: azureml:numbers:1}}
outputs: {best: {type: uri_folder}}
jobs:
  report:
    command: cat ${{inputs.model}}/m > ${{outputs.text}} && cat ${{outputs.text}}
    inputs: {model: "${{parent.jobs.train.outputs.model}}"}
    outputs: {text: {type: uri_file}}
    environment: {build: {path: ./environment}}
  prepare:
    command: head -n ${{inputs.rows}} ${{inputs.raw}} > ${{outputs.clean}}/x
    inputs: {rows: "${{parent.inputs.rows}}", raw: "${{parent.inputs.raw}}"}
    outputs: {clean: }
    environment: {build: {path: ./environment}}
  train:
    component: parts/train.yml
    inputs: {data: "${{parent.jobs.prepare.outputs.clean}}"}
    outputs: {model: "${{parent.outputs.best}}"}
"""
COMPONENT = """type: command
inputs:
  data: {type: uri_folder}
  epochs: {type: integer, default: 3}
outputs: {model: {type: uri_folder}}
code: ./code
command: python train.py ${{inputs.data}} ${{outputs.model}} ${{inputs.epochs}}
environment: {build: {path: ../environment}}
"""
TRAIN = """
import sys
rows = open(sys.argv[1] + "/x").read().split()
open(sys.argv[2] + "/m", "w").write(f"{sum(map(int, rows))} after {sys.argv[3]}\\n")
"""


def add(workspace: Workspace, pipeline: str = PIPELINE) -> None:
    workspace.add("tiny", "")
    workspace.write("src/tiny/pipeline.yml", pipeline)
    workspace.write("src/tiny/parts/train.yml", COMPONENT)
    workspace.write("src/tiny/parts/code/train.py", TRAIN)


def with_data(workspace: Workspace) -> None:
    workspace.write("data/numbers", "10\n20\n30\n")


def run(workspace: Workspace, *words: str) -> Answer:
    return workspace.loop("run", "tiny", *FILE, *VENV, *words)


def newest(workspace: Workspace) -> Path:
    records = (workspace.root / "outputs/tiny").glob("*/pipeline.json")
    return max(records, key=lambda path: path.stat().st_mtime_ns).parent


def record(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "pipeline.json").read_text())
    return told


def states(folder: Path) -> dict[str, str]:
    return {name: one["state"] for name, one in record(folder)["steps"].items()}


def test_steps_hand_on_what_they_wrote(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    answer = run(workspace)
    assert (answer.code, answer.out) == (0, "30 after 3\n"), answer.err
    assert answer.err.count("innerloop: backend venv (asked for; ") == 1
    folder = workspace.outputs("tiny")
    assert (folder / "prepare/clean/x").read_text() == "10\n20\n"
    assert (folder / "report/text").read_text() == "30 after 3\n"
    assert (folder / "best/m").read_text() == "30 after 3\n"
    assert states(folder) == {"prepare": "done", "train": "done", "report": "done"}
    assert record(folder)["outputs"] == {"best": f"outputs/tiny/{folder.name}/train/model"}
    rows = [line.split()[:3] for line in answer.err.splitlines()[-5:-2]]
    assert rows == [[name, "done", "0"] for name in ("prepare", "train", "report")]


def test_a_step_takes_one_file_of_what_an_earlier_one_wrote(workspace: Workspace) -> None:
    one_file = PIPELINE.replace(
        'inputs: {model: "${{parent.jobs.train.outputs.model}}"}',
        'inputs: {model: "${{parent.jobs.train.outputs.model}}/m"}',
    )
    add(workspace, one_file.replace("${{inputs.model}}/m", "${{inputs.model}}"))
    with_data(workspace)
    answer = run(workspace)
    assert (answer.code, answer.out) == (0, "30 after 3\n"), answer.err


def test_dry_run_needs_neither_data_nor_earlier_outputs(workspace: Workspace) -> None:
    add(workspace)
    before = sorted(workspace.root.rglob("*"))
    answer = run(workspace, "--dry-run", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    wanted = {"experiment", "backend", "command", "argv", "cwd", "env", "image", "mounts"}
    assert all(wanted <= set(one) for one in (told, *told["steps"]))
    assert [one["step"] for one in told["steps"]] == ["prepare", "train", "report"]
    prepare, train, _ = told["steps"]
    raw, clean = f"{workspace.root}/data/numbers", f"{workspace.root}/{prepare['outputs']}/clean"
    assert prepare["env"]["AZURE_ML_INPUT_raw"] == raw
    assert prepare["command"] == f"head -n 2 '{raw}' > '{clean}'/x"
    assert train["env"]["AZURE_ML_INPUT_data"] == clean
    assert train["needs"] == ["prepare"]
    assert sorted(workspace.root.rglob("*")) == before


def test_one_step_on_the_outputs_of_the_last_run(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    early = run(workspace, "--step", "train")
    assert early.code == 1
    assert "src/tiny/pipeline.yml:15:3" in early.message and "first --step prepare" in early.message
    assert run(workspace).code == 0
    first = newest(workspace)
    again = run(workspace, "--step", "train", "--set", "jobs.train.inputs.epochs=9")
    assert again.code == 0, again.err
    second = newest(workspace)
    assert states(second) == {"prepare": "kept", "train": "done"}
    last = run(workspace, "--step", "report")
    assert (last.code, last.out) == (0, "30 after 9\n"), last.err
    assert (newest(workspace) / "best/m").read_text() == "30 after 9\n"
    older = run(workspace, "--step", "report", "--from-run", first.name)
    assert older.out == "30 after 3\n"
    assert (first / "best/m").read_text() == "30 after 3\n"


def test_kept_outputs_that_are_empty_or_gone(workspace: Workspace) -> None:
    text = """type: pipeline
jobs:
  a:
    command: "touch ${{outputs.file}}"
    outputs: {empty: , file: {type: uri_file}}
    environment: {build: {path: environment}}
  b:
    command: ls ${{inputs.e}} && ls ${{inputs.f}} | wc -l
    inputs: {e: "${{parent.jobs.a.outputs.empty}}", f: "${{parent.jobs.a.outputs.file}}"}
    environment: {build: {path: environment}}
"""
    add(workspace, text)
    assert run(workspace, "--step", "a").code == 0
    answer = run(workspace, "--step", "b")
    assert (answer.code, answer.out.strip()) == (0, "1"), answer.err
    (workspace.root / record(newest(workspace))["steps"]["a"]["outputs"] / "file").unlink()
    gone = run(workspace, "--step", "b")
    assert gone.code == 1 and "Make it again with --step a" in gone.message


@pytest.mark.parametrize(("typed", "step"), [("2", "train"), ("", "prepare"), (None, None)])
def test_the_step_to_debug_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, typed: str | None, step: str | None
) -> None:
    """As F5 needs it, which knows the open file alone."""
    text = "type: pipeline\njobs:\n  prepare: {command: a}\n  train: {command: b}\n"
    job = parse_job(text, "src/line/azure-ml-job.yaml")
    assert run_command.chosen_step(job) is None  # nobody is there
    monkeypatch.setattr(console, "can_ask", lambda: True)
    monkeypatch.setattr(selection, "_answer", lambda question: typed)
    assert run_command.chosen_step(job) == step


def test_what_failed_can_be_run_again_with_the_rest_kept(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    workspace.write("src/tiny/parts/code/train.py", "raise SystemExit(7)")
    failed = run(workspace)
    assert failed.code == 7, failed.err
    assert "step train: failed" in failed.err and "report: skipped: it needs train" in failed.err
    first = newest(workspace)
    assert states(first) == {"prepare": "done", "train": "failed", "report": "skipped"}
    assert not (first / "best").exists()
    workspace.write("src/tiny/parts/code/train.py", TRAIN)
    mended = run(workspace, "--from-run", first.name)
    assert (mended.code, mended.out) == (0, "30 after 3\n"), mended.err
    assert states(newest(workspace)) == {"prepare": "kept", "train": "done", "report": "done"}
    nothing = run(workspace, "--from-run", newest(workspace).name)
    assert nothing.code == 1 and "every step is done" in nothing.message


TWO = """type: pipeline
{settings}
jobs:
  a: {{command: "exit 4", environment: {{build: {{path: environment}}}}}}
  b: {{command: "echo b ran", environment: {{build: {{path: environment}}}}}}
"""


# Two steps that each end once the other one has begun, one that needs both, and one that fails.
DIAMOND = """type: pipeline
jobs:
  left:
    command: touch "$MEETING/l" && until [ -e "$MEETING/r" ]; do sleep 0.05; done && echo l > ${{outputs.o}}/x
    outputs: {o: {type: uri_folder}}
    environment: {build: {path: ./environment}}
  right:
    command: touch "$MEETING/r" && until [ -e "$MEETING/l" ]; do sleep 0.05; done && echo r > ${{outputs.o}}/x
    outputs: {o: {type: uri_folder}}
    environment: {build: {path: ./environment}}
  both:
    command: cat ${{inputs.a}}/x ${{inputs.b}}/x && exit 4
    inputs: {a: "${{parent.jobs.left.outputs.o}}", b: "${{parent.jobs.right.outputs.o}}"}
    environment: {build: {path: ./environment}}
  after:
    command: echo never ${{inputs.a}}
    inputs: {a: "${{parent.jobs.both.outputs.none}}"}
    environment: {build: {path: ./environment}}
"""


def test_steps_that_wait_for_no_other_run_at_once(workspace: Workspace) -> None:
    pipeline = DIAMOND.replace("exit 4\n", "exit 4\n    outputs: {none: {type: uri_folder}}\n")
    add(workspace, pipeline)
    meeting = workspace.root / "meeting"
    meeting.mkdir()
    words = ("run", "tiny", *FILE, *VENV, "--parallel", "2")
    answer = workspace.loop(*words, env={"MEETING": str(meeting)})
    assert answer.code == 4, answer.err
    assert answer.out.splitlines() == ["both | l", "both | r"]
    assert "innerloop: 2 at once (--parallel asks for it)" in answer.err
    states = {name: step["state"] for name, step in record(newest(workspace))["steps"].items()}
    assert states == {"left": "done", "right": "done", "both": "failed", "after": "skipped"}


@pytest.mark.parametrize(("goes_on", "out"), [("true", "b ran\n"), ("false", "")])
def test_a_failure_stops_the_others_where_the_file_says_so(
    workspace: Workspace, goes_on: str, out: str
) -> None:
    add(workspace, TWO.format(settings=f"settings: {{continue_on_step_failure: {goes_on}}}"))
    answer = run(workspace)
    assert (answer.code, answer.out) == (4, out), answer.err


def test_a_step_that_writes_no_file_is_found_out(workspace: Workspace) -> None:
    text = """type: pipeline
jobs:
  a:
    command: "true"
    outputs: {o: {type: uri_file}}
    environment: {build: {path: environment}}
  b:
    command: cat ${{inputs.i}}
    inputs: {i: "${{parent.jobs.a.outputs.o}}"}
    environment: {build: {path: environment}}
"""
    add(workspace, text)
    answer = run(workspace)
    assert answer.code == 1
    assert "step a: failed" in answer.message and "wrote no o (${{outputs.o}})" in answer.err


def test_a_sweep_is_a_step_like_any_other(workspace: Workspace) -> None:
    text = """type: pipeline
jobs:
  tune:
    type: sweep
    trial: parts/train.yml
    inputs: {data: {type: uri_folder, path: azureml:folder:1}}
    search_space: {epochs: {type: choice, values: [5, 6]}}
    objective: {goal: minimize, primary_metric: loss}
    outputs: {model: }
  use:
    command: cat ${{inputs.m}}/m
    inputs: {m: "${{parent.jobs.tune.outputs.model}}"}
    environment: {build: {path: environment}}
"""
    add(workspace, text)
    workspace.write("data/folder/x", "1\n2\n")
    answer = run(workspace)
    assert (answer.code, answer.out) == (0, "3 after 5\n"), answer.err


def test_a_trial_sees_what_its_step_takes_from_an_earlier_one(workspace: Workspace) -> None:
    """With one plain trial, and with drawn ones."""
    text = """type: pipeline
jobs:
  make:
    command: touch ${{outputs.o}}/x
    outputs: {o: }
    environment: {build: {path: environment}}
  tune:
    type: sweep
    trial: parts/train.yml
    inputs: {data: "${{parent.jobs.make.outputs.o}}"}
    search_space: {epochs: {type: choice, values: [5, 6]}}
    objective: {goal: minimize, primary_metric: loss}
    outputs: {model: }
"""
    add(workspace, text)
    for words in ((), ("--trials", "1")):
        step = json.loads(run(workspace, "--dry-run", "--json", *words).out)["steps"][1]
        env = step["trials"][0]["env"] if words else step["env"]
        assert env["AZUREML_SWEEP_data"] == env["AZURE_ML_INPUT_data"]
        assert env["AZUREML_SWEEP_data"].endswith("/make/o")


def test_the_best_trial_of_a_step_hands_its_outputs_on(workspace: Workspace) -> None:
    text = """type: pipeline
outputs: {winner: }
jobs:
  tune:
    type: sweep
    trial: parts/train.yml
    inputs: {data: {type: uri_folder, path: azureml:folder:1}}
    sampling_algorithm: grid
    search_space: {epochs: {type: choice, values: [5, 7, 6, 0]}}
    objective: {goal: maximize, primary_metric: score}
    outputs: {model: "${{parent.outputs.winner}}"}
  use:
    command: cat ${{inputs.m}}/m
    inputs: {m: "${{parent.jobs.tune.outputs.model}}"}
    environment: {build: {path: environment}}
"""
    add(workspace, text)
    more = (
        "import json; json.dump({'score': int(sys.argv[3])}, open('outputs/metrics.json', 'w'))\n"
    )
    workspace.write("src/tiny/parts/code/train.py", f"{TRAIN}{more}sys.exit(sys.argv[3] == '0')\n")
    workspace.write("data/folder/x", "1\n2\n")
    dry = json.loads(run(workspace, "--trials", "4", "--dry-run", "--json").out)
    assert [one["values"]["epochs"] for one in dry["steps"][0]["trials"]] == ["5", "7", "6", "0"]
    answer = run(workspace, "--trials", "4")
    assert (answer.code, answer.out) == (0, "3 after 7\n"), answer.err
    assert "step tune: done" in answer.err and "its outputs are those of tune.trial-2" in answer.err
    folder = workspace.outputs("tiny")
    assert (folder / "winner/m").read_text() == (folder / "tune/trial-2/model/m").read_text()
    rows = json.loads((folder / "tune/trials.json").read_text())["trials"]
    assert [(one["metric"], one["exit_code"]) for one in rows] == [(5, 0), (7, 0), (6, 0), (0, 1)]
    again = run(workspace, "--step", "tune", "--trials", "1")
    assert again.code == 0 and "tune.trial-1" in again.err
    assert (newest(workspace) / "winner/m").read_text() == "3 after 5\n"


HANDED_ON = """type: pipeline
jobs:
  tune:
    type: sweep
    trial: parts/train.yml
    inputs: {data: {type: uri_folder, path: azureml:folder:1}}
    sampling_algorithm: grid
    search_space: {epochs: {type: choice, values: [VALUES]}}
    objective: {goal: minimize, primary_metric: loss}
    outputs: {model: }
  use:
    command: cat ${{inputs.m}}/m
    inputs: {m: "${{parent.jobs.tune.outputs.model}}"}
    environment: {build: {path: environment}}
"""


def add_diverging(workspace: Workspace, values: str) -> None:
    """A sweep whose trials with 5 epochs or less end with a loss that is NaN."""
    add(workspace, HANDED_ON.replace("VALUES", values))
    more = """
import json
loss = float(sys.argv[3]) if int(sys.argv[3]) > 5 else float("nan")
json.dump({"loss": loss}, open("outputs/metrics.json", "w"))
"""
    workspace.write("src/tiny/parts/code/train.py", f"{TRAIN}{more}")
    workspace.write("data/folder/x", "1\n2\n")


def test_a_diverged_trial_hands_nothing_on(workspace: Workspace) -> None:
    add_diverging(workspace, "5, 7, 6")
    answer = run(workspace, "--trials", "3")
    assert (answer.code, answer.out) == (0, "3 after 6\n"), answer.err


@pytest.mark.parametrize("words", [(), ("--trials", "2"), ("--step", "tune")])
def test_a_sweep_step_that_diverged_fails(workspace: Workspace, words: tuple[str, ...]) -> None:
    add_diverging(workspace, "5, 4")
    answer = run(workspace, *words)
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert "diverged" in answer.message
    recorded = json.loads((workspace.outputs("tiny") / "pipeline.json").read_text())["steps"]
    assert recorded["tune"]["state"] == "failed"


def test_a_step_that_diverged_hands_nothing_on(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    more = 'open("outputs/metrics.jsonl", "w").write(\'{"loss": 1}\\n{"loss": NaN}\\n\')\n'
    workspace.write("src/tiny/parts/code/train.py", f"{TRAIN}{more}")
    answer = run(workspace)
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert "it diverged: loss nan" in answer.message
    recorded = json.loads((workspace.outputs("tiny") / "pipeline.json").read_text())["steps"]
    assert [recorded[name]["state"] for name in ("train", "report")] == ["failed", "skipped"]


def test_a_step_without_local_form_is_one_sentence(workspace: Workspace) -> None:
    text = PIPELINE + "  share: {component: 'azureml:publish:2'}\n  all: {type: automl}\n"
    add(workspace, text)
    with_data(workspace)
    answer = run(workspace)
    assert answer.code == 1 and len(answer.message.strip().splitlines()) == 1
    assert 'the step "share" is a registered component, azureml:publish:2' in answer.err
    assert "; all cannot run here either. A component's file can replace it" in answer.err
    assert not (workspace.root / "outputs").exists()
    dry = run(workspace, "--dry-run", "--json")
    assert dry.code == 1
    steps = json.loads(dry.out)["steps"]
    assert ["command" in one for one in steps] == [True, True, True, False, False]
    assert "registered component" in steps[3]["problem"]
    assert run(workspace, "--step", "prepare").code == 0
    environment = "environment: {build: {path: ../environment}}"
    workspace.write("src/tiny/parts/stand_in.yml", f"command: echo stood in\n{environment}\n")
    component = "component=parts/stand_in.yml"
    sets = (f"jobs.share.{component}", "jobs.all.type=command", f"jobs.all.{component}")
    stood_in = run(workspace, *(word for one in sets for word in ("--set", one)))
    assert (stood_in.code, stood_in.out.count("stood in")) == (0, 2), stood_in.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--step", "trian"), 1, 'Did you mean "train"'),
        (("--from-run", "x"), 1, "there is no run x"),
        (("--trials", "2"), 2, "no step that would run is a sweep"),
        (("--script", "a.py"), 2, "a pipeline has steps and no script"),
        (("--", "--x"), 2, "Name its step with --step"),
        (("--debug",), 2, "only one step can be debugged"),
        (("--set", "jobs.trian.inputs.data=x"), 2, 'Did you mean "train"'),
        (("--set", "jobs.train.inputs.epoch=2"), 1, 'Did you mean "epochs"'),
        (("--set", "inputs.row=2"), 2, 'Did you mean "rows"'),
    ],
)
def test_wrong_words(workspace: Workspace, words: tuple[str, ...], code: int, message: str) -> None:
    add(workspace)
    answer = run(workspace, *words)
    assert (answer.code, len(answer.message.strip().splitlines())) == (code, 1)
    assert message in answer.err


def test_missing_data_are_named_where_the_pipeline_names_them(workspace: Workspace) -> None:
    add(workspace)
    answer = run(workspace)
    assert answer.code == 1
    assert "src/tiny/pipeline.yml:2" in answer.message and "--set inputs.raw=PATH" in answer.err
    assert run(workspace, "--step", "prepare").err == answer.err


def test_all_that_is_missing_is_said_at_once(workspace: Workspace) -> None:
    registered = PIPELINE.replace(
        "environment: {build: {path: ./environment}}", "environment: E", 1
    )
    add(workspace, registered.replace("environment: E", "environment: azureml:kept:3"))
    answer = run(workspace)
    assert answer.code == 1 and "2 things are missing" in answer.message
    assert "there is no data/numbers" in answer.err and "azureml:kept:3" in answer.err
    assert not (workspace.root / "outputs").exists()


def test_an_input_without_a_value_is_named(workspace: Workspace) -> None:
    add(workspace, PIPELINE.replace("rows: 2", "rows: {type: integer}"))
    with_data(workspace)
    answer = run(workspace)
    assert answer.code == 1 and len(answer.message.strip().splitlines()) == 1
    assert 'src/tiny/pipeline.yml:2:10: the input "rows" has no value' in answer.err
    step = run(workspace, "--step", "prepare")
    assert 'the step "prepare" takes the input "rows", which has no value' in step.message
    assert run(workspace, "--set", "inputs.rows=3").out == "60 after 3\n"


def test_values_are_set_for_the_pipeline_and_for_a_step(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    words = ("--set", "inputs.rows=3", "--set", "jobs.train.inputs.epochs=1")
    assert run(workspace, *words).out == "60 after 1\n"


def test_control_c_ends_the_step_and_keeps_what_is_done(workspace: Workspace) -> None:
    add(workspace)
    with_data(workspace)
    waits = "import time\nprint('at work', flush=True)\ntime.sleep(60)\n"
    workspace.write("src/tiny/parts/code/train.py", waits)
    started = workspace.start("run", "tiny", *FILE, *VENV)
    started.wait_for("at work")
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    folder = workspace.outputs("tiny")
    assert states(folder) == {"prepare": "done", "train": "stopped", "report": "waiting"}
    workspace.write("src/tiny/parts/code/train.py", TRAIN)
    assert run(workspace, "--from-run", folder.name).out == "30 after 3\n"
