"""`loop run` on sweep jobs, in the place that needs no engine."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import Workspace, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")

VENV = ("--backend", "venv")
SWEEP = """type: sweep
trial:
  command: python -u train.py --lr ${{search_space.lr}} --kind ${{search_space.kind}} ${{inputs.n}}
  code: .
  environment: {build: {path: ./environment}}
inputs: {n: 3}
sampling_algorithm: grid
search_space:
  lr: {type: choice, values: [0.1, 0.2]}
  kind: {type: choice, values: [good, bad]}
objective: {goal: minimize, primary_metric: loss}
"""
TRAIN = """
import json, os, sys
lr, kind = float(sys.argv[2]), sys.argv[4]
names = ("AZUREML_SWEEP_lr", "AZUREML_PARAMETER_kind", "AZUREML_SWEEP_n", "AZUREML_PARAMETER_n")
print("ran", *sys.argv[1:], *(os.environ[name] for name in names))
if kind == "bad":
    sys.exit(5)
json.dump({"loss": lr}, open("outputs/metrics.json", "w"))
"""


def add(workspace: Workspace, train: str = TRAIN, more: str = "", sweep: str = SWEEP) -> None:
    workspace.add("tiny", train)
    workspace.write("src/tiny/azure-ml-job.yaml", sweep + more)


def record(workspace: Workspace) -> dict[str, Any]:
    text = (workspace.outputs("tiny") / "trials.json").read_text()
    told: dict[str, Any] = json.loads(text)
    return told


def test_without_a_word_the_first_values_run(workspace: Workspace) -> None:
    add(workspace)
    answer = workspace.loop("run", "tiny", *VENV, "--", "extra")
    assert answer.code == 0, answer.err
    assert answer.out == "ran --lr 0.1 --kind good 3 extra 0.1 good 3 3\n"
    assert "one trial: lr=0.1, kind=good" in answer.err
    assert (workspace.outputs("tiny") / "metrics.json").is_file()


def test_a_chosen_value_and_an_unknown_one(workspace: Workspace) -> None:
    add(workspace)
    answer = workspace.loop(
        "run", "tiny", *VENV, "--set", "search_space.lr=7", "--dry-run", "--json"
    )
    told = json.loads(answer.out)
    assert told["command"] == "python -u train.py --lr 7 --kind good 3"
    assert told["search_space"] == {"lr": "7", "kind": "good"}
    assert told["env"]["AZUREML_SWEEP_lr"] == "7"
    wrong = workspace.loop("run", "tiny", *VENV, "--set", "search_space.lrr=7")
    assert wrong.code == 2 and 'Did you mean "lr"?' in wrong.message


def test_trials_run_one_after_another_and_one_failure_stops_no_other(workspace: Workspace) -> None:
    add(workspace)
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "9", "--parallel", "1")
    assert answer.code == 1, answer.err
    assert [line.split()[2:5:2] for line in answer.out.splitlines()] == [
        ["0.1", "good"],
        ["0.1", "bad"],
        ["0.2", "good"],
        ["0.2", "bad"],
    ]
    assert "the grid has 4 combinations" in answer.message
    assert answer.err.count("innerloop: backend venv (asked for; ") == 1
    assert "the best is trial-1: loss 0.1 (minimize)" in answer.err
    assert "2 of 4 failed: trial-2 (exit code 5), trial-4 (exit code 5)" in answer.err
    told = record(workspace)
    assert (told["metric"], told["goal"]) == ("loss", "minimize")
    states = [(one["state"], one["exit_code"], one["metric"]) for one in told["trials"]]
    assert states == [("done", 0, 0.1), ("failed", 5, None), ("done", 0, 0.2), ("failed", 5, None)]
    table = [line.split() for line in answer.err.splitlines() if line.startswith("trial")]
    assert table[-5] == ["trial", "state", "lr", "kind", "loss", "exit", "seconds", "outputs"]
    assert [row[:5] for row in table[-4:-2]] == [
        ["trial-1", "done", "0.1", "good", "0.1"],
        ["trial-2", "failed", "0.1", "bad", "5"],
    ]
    folders = [workspace.root / one["outputs"] for one in told["trials"]]
    assert [(path / "metrics.json").is_file() for path in folders] == [True, False] * 2
    assert "ran --lr 0.2 --kind bad" in (folders[3] / ".run/log.txt").read_text()
    listed = json.loads(workspace.loop("runs", "tiny", "--json").out)
    assert [(one["state"], one["scores"]) for one in listed] == [
        ("done", {"loss": 0.1}),
        ("failed (5)", {}),
        ("done", {"loss": 0.2}),
        ("failed (5)", {}),
    ]


# A trial waits for the other one: alone, none of them ends.
MEETING = """
import os, sys, time
lr, kind = sys.argv[2], sys.argv[4]
top = os.environ["MEETING"]
open(os.path.join(top, kind), "w").close()
print("waits", kind)
until = time.monotonic() + 100
while len(os.listdir(top)) < 2:
    if time.monotonic() > until:
        sys.exit("alone")
    time.sleep(0.01)
if kind == "endless":
    print("endless", file=sys.stderr)
    time.sleep(600)
print('{"loss": %s}' % lr, file=open("outputs/metrics.json", "w"))
sys.exit(3 if kind == "bad" else 0)
"""


def test_trials_at_once_meet_and_a_failing_one_stops_no_other(workspace: Workspace) -> None:
    add(workspace, MEETING)
    meeting = workspace.root / "meeting"
    meeting.mkdir()
    words = ("run", "tiny", *VENV, "--trials", "2", "--parallel", "2")
    answer = workspace.loop(*words, env={"MEETING": str(meeting)})
    assert answer.code == 1, answer.err
    assert sorted(answer.out.splitlines()) == ["trial-1 | waits good", "trial-2 | waits bad"]
    assert "innerloop: 2 at once (--parallel asks for it)" in answer.err
    told = record(workspace)
    assert told["best"] == "trial-1"
    states = [(one["state"], one["exit_code"], one["metric"]) for one in told["trials"]]
    assert states == [("done", 0, 0.1), ("failed", 3, 0.1)]
    folders = [workspace.root / one["outputs"] / ".run" for one in told["trials"]]
    assert [(path / "log.txt").read_text() for path in folders] == ["waits good\n", "waits bad\n"]
    assert list((workspace.root / ".innerloop/running").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_end_of_the_sweep_ends_its_trials(workspace: Workspace, how: signal.Signals) -> None:
    add(workspace, MEETING, sweep=SWEEP.replace("[good, bad]", "[endless, good]"))
    meeting = workspace.root / "meeting"
    meeting.mkdir()
    words = ("run", "tiny", *VENV, "--trials", "2", "--parallel", "2")
    sweep = workspace.start(*words, env={"MEETING": str(meeting)})
    sweep.wait_for("trial-1 | endless", 120)
    sweep.send(how)
    answer = sweep.end(120)
    assert answer.code in (130, -signal.SIGKILL)
    record_of = workspace.outputs("tiny") / "trial-1" / ".run/run.json"
    assert until(lambda: json.loads(record_of.read_text())["ended"] is not None, 60)
    assert json.loads(record_of.read_text())["exit_code"] in (130, 143)
    if how == signal.SIGINT:
        assert list((workspace.root / ".innerloop/running").iterdir()) == []
        assert {one["state"] for one in record(workspace)["trials"]} <= {"stopped", "done"}


def test_parallel_without_trials_is_an_error(workspace: Workspace) -> None:
    add(workspace)
    answer = workspace.loop("run", "tiny", *VENV, "--parallel", "2")
    assert answer.code == 2 and "[option-not-applicable]" in answer.err


# A trial ends with what its value says.
ENDS = """
import json, sys
end = sys.argv[2]
with open("outputs/metrics.jsonl", "w") as file:
    for value in ("1.0", end):
        print('{"loss": %s}' % value, file=file)
"""
ENDING = """type: sweep
trial:
  command: python -u train.py --end ${{search_space.metric}}
  code: .
  environment: {build: {path: ./environment}}
sampling_algorithm: grid
search_space: {metric: {type: choice, values: VALUES}}
objective: {goal: GOAL, primary_metric: loss}
"""


def ending(values: str, goal: str = "minimize") -> str:
    return ENDING.replace("VALUES", values).replace("GOAL", goal)


@pytest.mark.parametrize(
    ("goal", "values", "best"),
    [
        ("minimize", ["NaN", "-Infinity", "2.5", "null"], "trial-3"),
        ("maximize", ["Infinity", "1e400", "nan", "0.25"], "trial-4"),
        # More digits than the table shows.
        ("minimize", ["0.123456789", "0.123456781"], "trial-2"),
    ],
)
def test_sweep_with_a_diverged_trial_has_another_best(
    workspace: Workspace, goal: str, values: list[str], best: str
) -> None:
    add(workspace, ENDS, sweep=ending(json.dumps(values), goal))
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "9")
    assert answer.code == 0, answer.err
    assert f"the best is {best}: loss" in answer.message
    told = record(workspace)
    assert told["best"] == best
    finite = [value[0].isdigit() and value != "1e400" for value in values]
    assert [not one["diverged"] for one in told["trials"]] == finite
    assert [one["metric"] is not None for one in told["trials"]] == finite


def test_trial_whose_loss_diverged_is_not_the_best_by_another_metric(workspace: Workspace) -> None:
    add(workspace, ENDS, sweep=ending('["0.9", "0.5"]', "maximize"))
    more = """train_loss = "NaN" if end == "0.9" else "1"
open("outputs/metrics.json", "w").write('{"train_loss": %s}' % train_loss)
"""
    workspace.write("src/tiny/train.py", f"{ENDS}{more}")
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "9")
    assert answer.code == 0, answer.err
    assert "the best is trial-2" in answer.message and "train_loss nan" in answer.message
    assert [one["diverged"] for one in record(workspace)["trials"]] == [True, False]


def test_sweep_whose_trials_all_diverged_has_no_best(workspace: Workspace) -> None:
    add(workspace, ENDS, sweep=ending('["NaN", "Infinity"]'))
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "9")
    assert answer.code == 1
    assert "2 of 2 diverged" in answer.message and "no trial is the best" in answer.err
    assert "the best is" not in answer.err
    assert record(workspace)["best"] is None
    listed = json.loads(workspace.loop("runs", "tiny", "--json").out)
    assert [one["scores"] for one in listed] == [{"loss": None}] * 2
    table = workspace.loop("runs", "tiny").out.splitlines()
    assert [line.split()[2] for line in table[-2:]] == ["nan", "inf"]


def test_limits_are_kept(workspace: Workspace) -> None:
    more = "limits: {max_total_trials: 1}\nearly_termination: {type: bandit, slack_factor: 0.1}\n"
    add(workspace, more=more)
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "3", "--dry-run", "--json")
    assert len(json.loads(answer.out)["trials"]) == 1
    assert "limits.max_total_trials is 1: 1 of the 3 trials run" in answer.err


def test_what_takes_too_long_is_ended(workspace: Workspace) -> None:
    train = "import sys, time; print(sys.argv[4], flush=True)\nif sys.argv[4] == 'bad': time.sleep(60)\n"
    add(workspace, train, more="limits: {trial_timeout: 50, timeout: 1}\n")
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "3", timeout=40)
    assert (answer.code, answer.out) == (1, "good\nbad\n"), answer.err
    assert "the job's time limit" in answer.message
    assert "trial-3: skipped: limits.timeout is 1 s" in answer.err
    rows = [(one["state"], one["exit_code"]) for one in record(workspace)["trials"]]
    assert rows == [("done", 0), ("failed", 124), ("skipped", None)]


def test_the_same_seed_draws_the_same_trials(workspace: Workspace) -> None:
    space = "search_space: {x: {type: uniform, min_value: 0, max_value: 1}}\n"
    trial = (
        "trial: {command: 'echo ${{search_space.x}}', environment: {build: {path: environment}}}"
    )
    add(workspace, sweep=f"type: sweep\n{trial}\n{space}sampling_algorithm: random\n")
    drawn = []
    for seed in ("1", "1", "2"):
        words = ("--trials", "3", "--seed", seed, "--dry-run", "--json")
        answer = workspace.loop("run", "tiny", *VENV, *words)
        told = json.loads(answer.out)
        drawn.append([one["command"] for one in told["trials"]])
        wanted = {"experiment", "backend", "command", "argv", "cwd", "env", "image", "mounts"}
        assert all(wanted <= set(one) for one in (told, *told["trials"]))
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("sampling", "note"),
    [("bayesian", "by the results of earlier"), ("{type: random, rule: sobol}", "SciPy")],
)
def test_preview_of_what_is_not_installed_shows_the_middle_and_says_so(
    workspace: Workspace, tmp_path: Path, sampling: str, note: str
) -> None:
    space = "search_space: {x: {type: uniform, min_value: 0, max_value: 1}}\n"
    trial = (
        "trial: {command: 'echo ${{search_space.x}}', environment: {build: {path: environment}}}"
    )
    add(workspace, sweep=f"type: sweep\n{trial}\n{space}sampling_algorithm: {sampling}\n")
    tool = tmp_path / "cache" / "tool"
    tool.parent.mkdir()
    tool.symlink_to(Path(os.environ["INNERLOOP_CACHE"]) / "tool")
    unreachable = {
        "INNERLOOP_CACHE": str(tool.parent),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_INDEX_URL": "http://127.0.0.1:9/simple",
        **dict.fromkeys(("PIP_NO_CACHE_DIR", "UV_NO_CACHE"), "1"),
        **dict.fromkeys(("PIP_RETRIES", "UV_HTTP_RETRIES"), "0"),
    }
    words = ("run", "tiny", *VENV, "--trials", "2")
    answer = workspace.loop(*words, "--dry-run", "--json", env=unreachable)
    told = json.loads(answer.out)
    assert [one["command"] for one in told["trials"]] == ["echo 0.5"] * 2
    assert note in answer.message and not (tool.parent / "sweep").exists()
    if sampling != "bayesian":
        return
    # A real run cannot do without: one error, before anything starts.
    failed = workspace.loop(*words, env=unreachable)
    assert failed.code == 1 and failed.err.count("[sampler-unavailable]") == 1
    assert "Sampling by random or grid needs no environment" in failed.message
    assert not (workspace.root / "outputs").exists()


# Trials report a loss three times. A bad one then works on until it is asked to end, a good one ends
# only when the bad one has, if they run at once.
REPORTS = """
import os, signal, sys, time
loss, wait = float(sys.argv[2]), os.environ.get("MEETING")
with open("outputs/metrics.jsonl", "w") as file:
    for step in range(3):
        print('{"step": %d, "loss": %s}' % (step, loss + 1 - step / 3), file=file, flush=True)
def end(*_):
    print("saves its work", flush=True)
    if wait:
        open(wait, "w").close()
    sys.exit(3)
if loss > 1:
    signal.signal(signal.SIGTERM, end)
    time.sleep(600)
until = time.monotonic() + 200
while wait and not os.path.exists(wait):
    if time.monotonic() > until:
        sys.exit("nobody was stopped")
    time.sleep(0.01)
"""
POLICY = """type: sweep
trial:
  command: python -u train.py --loss ${{search_space.loss}}
  code: .
  environment: {build: {path: ./environment}}
sampling_algorithm: grid
search_space: {loss: {type: choice, values: VALUES}}
objective: {goal: minimize, primary_metric: loss}
early_termination: POLICY
"""


@pytest.mark.parametrize(
    ("parallel", "policy"),
    [
        (1, "{type: median_stopping, delay_evaluation: 2}"),
        (2, "{type: bandit, slack_factor: 0.5, evaluation_interval: 3}"),
    ],
)
def test_trial_that_the_policy_ends_is_stopped_early_and_no_failure(
    workspace: Workspace, parallel: int, policy: str
) -> None:
    sweep = POLICY.replace("VALUES", "[0.1, 5]").replace("POLICY", policy)
    add(workspace, REPORTS, sweep=sweep)
    env = {"MEETING": str(workspace.root / "meeting")} if parallel > 1 else {}
    words = ("run", "tiny", *VENV, "--trials", "2", "--parallel", str(parallel))
    answer = workspace.loop(*words, env=env)
    assert answer.code == 0, answer.err
    assert "trial-2 | saves its work" in answer.out
    assert "1 of 2 stopped early by early_termination: trial-2" in answer.message
    assert "the best is trial-1" in answer.message
    told = record(workspace)
    assert [one["state"] for one in told["trials"]] == ["done", "stopped early"]
    assert told["trials"][1]["metric"] == pytest.approx(5 + 1 / 3)
    listed = json.loads(workspace.loop("runs", "tiny", "--json").out)
    listed.sort(key=lambda run: str(run["run"]))
    assert [one["state"] for one in listed] == ["done", "stopped early"]
    kind = policy[7:].partition(",")[0]
    assert listed[1]["stopped_early"].startswith(f"{kind} at report {2 if parallel == 1 else 3}: ")
    assert list((workspace.root / ".innerloop/running").iterdir()) == []


def test_early_termination_without_reports_is_said_once(workspace: Workspace) -> None:
    policy = "{type: truncation_selection, truncation_percentage: 50}"
    sweep = POLICY.replace("VALUES", "[0.1, 5]").replace("POLICY", policy)
    add(workspace, "print('nothing')\n", sweep=sweep)
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "2", "--parallel", "1")
    assert answer.code == 0, answer.err
    assert answer.err.count('early_termination saw no report of "loss"') == 1


def test_early_termination_of_an_unknown_type_starts_nothing(workspace: Workspace) -> None:
    sweep = POLICY.replace("VALUES", "[0.1, 5]").replace("POLICY", "{type: bandits}")
    add(workspace, REPORTS, sweep=sweep)
    answer = workspace.loop("run", "tiny", *VENV, "--trials", "2")
    assert answer.code == 1 and "[value-not-allowed]" in answer.err
    assert not (workspace.root / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "0"), "0 is not a number of trials"),
        (("--trials", "many"), "many is not a number of trials"),
        (("--seed", "1"), "Add --trials N"),
        (("--trials", "2", "--debug"), "only one trial can be debugged"),
        (("--step", "a"), "--step is for a pipeline job"),
    ],
)
def test_wrong_words(workspace: Workspace, words: tuple[str, ...], message: str) -> None:
    add(workspace)
    answer = workspace.loop("run", "tiny", *VENV, *words)
    assert answer.code == 2 and message in answer.message


def test_control_c_stops_all_trials(workspace: Workspace) -> None:
    add(workspace, "import time\nprint('at work', flush=True)\ntime.sleep(60)\n")
    started = workspace.start("run", "tiny", *VENV, "--trials", "3")
    started.wait_for("at work")
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert answer.out.count("at work") == 1
    assert [one["state"] for one in record(workspace)["trials"]] == [
        "stopped",
        "waiting",
        "waiting",
    ]
    assert until(lambda: not list((workspace.root / ".innerloop").glob("scratch/*/*")), 5)


def test_being_ended_stops_all_trials(workspace: Workspace) -> None:
    add(workspace, "import time\nprint('at work', flush=True)\ntime.sleep(60)\n")
    started = workspace.start("run", "tiny", *VENV, "--trials", "2")
    started.wait_for("at work")
    started.send(signal.SIGTERM)
    assert started.end(30).code == 143
