"""`loop run --detach` on this machine: a queue of runs, each with a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from innerloop.runner import device_claims
from innerloop.util import device_locks, process_identity
from tests.support import Workspace, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")

VENV = ("--backend", "venv")
TRAIN = """
import json, os, pathlib, sys, time
print("shared", pathlib.Path("common.txt").read_text().strip(), flush=True)
json.dump({"loss": 0.5}, open("outputs/metrics.json", "w"))
print("version 1", os.environ.get("CUDA_VISIBLE_DEVICES", "-"), *sys.argv[1:], flush=True)
wait = pathlib.Path(os.environ["WAIT"]) if os.environ.get("WAIT") else None
while wait and not wait.exists():
    time.sleep(0.02)
sys.exit(int(os.environ.get("CODE", "0")))
"""


def taken(name: str) -> device_locks.Release:
    found: list[device_locks.Release] = []

    def has_taken() -> bool:
        release = device_locks.take(name)
        found.extend([release] if release is not None else [])
        return release is not None

    assert until(has_taken, 600)
    return found[0]


@contextmanager
def busy() -> Iterator[None]:
    """Within, this machine has no room for another run without a GPU."""
    held = [taken(slot.lock) for slot in device_claims.slots_here()]
    try:
        yield
    finally:
        for release in held:
            release()


def added(workspace: Workspace, **variables: str) -> None:
    workspace.add("tiny", TRAIN)
    workspace.write("src/common/words.txt", "one\n")
    os.symlink("../common/words.txt", workspace.root / "src/tiny/common.txt")
    lines = "".join(f'\n  {name}: "{value}"' for name, value in variables.items())
    job = "command: python train.py ${{inputs.n}}\ncode: .\nenvironment: {build: {path: ./environment}}\n"
    job += "inputs: {n: 3}\n"
    workspace.write(
        "src/tiny/azure-ml-job.yaml", job + f"environment_variables:{lines}\n" * bool(lines)
    )


def left(workspace: Workspace, *words: str) -> str:
    """The ID of a run that was left."""
    answer = workspace.loop("run", "tiny", *VENV, "--detach", *words)
    assert answer.code == 0, answer.err
    return answer.out.strip()


def record(workspace: Workspace, run: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        (workspace.root / "outputs/tiny" / run / ".run/run.json").read_text()
    )
    return value


def has_ended(workspace: Workspace, run: str) -> bool:
    return record(workspace, run)["ended"] is not None


def test_detached_run_has_the_code_of_when_it_was_asked_for(workspace: Workspace) -> None:
    added(workspace)
    with busy():
        run = left(workspace)
        assert record(workspace, run)["waiting"]
        # What comes later is not its code.
        workspace.write("src/tiny/train.py", "raise SystemExit(9)\n")
        workspace.write("src/common/words.txt", "two\n")
    assert until(lambda: has_ended(workspace, run), 300)
    ended = record(workspace, run)
    log = (workspace.root / "outputs/tiny" / run / ".run/log.txt").read_text()
    assert (ended["exit_code"], log) == (0, "shared one\nversion 1 - 3\n")
    assert (workspace.root / "outputs/tiny" / run / "metrics.json").is_file()
    assert until(lambda: not list((workspace.root / ".innerloop/running").iterdir()), 300)
    assert not (workspace.root / ".innerloop/queued").exists()


def test_runs_wait_in_their_order_and_are_shown_cancelled_and_followed(
    workspace: Workspace, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    added(workspace, WAIT=str(gate), CODE="5")
    with busy():
        first, second, third = left(workspace), left(workspace), left(workspace)
        rows = json.loads(workspace.loop("status", "--json").out)
        assert [(row["run"], row["state"]) for row in rows] == [
            (first, "waiting"), (second, "waiting"), (third, "waiting")
        ]  # fmt: skip
        assert until(lambda: "1 before it" in workspace.loop("status", second).out, 300)
        assert workspace.loop("cancel", second).out == f"{second}: stopped\n"
        # A supervisor that is killed leaves its place, and nothing behind.
        os.kill(record(workspace, third)["tool"]["pid"], signal.SIGKILL)
        assert until(lambda: "state      killed" in workspace.loop("status", third).out, 300)
        assert [path.name for path in (workspace.root / ".innerloop/queued").iterdir()] == [first]
    following = workspace.start("logs", first, "--follow")
    log = workspace.root / "outputs/tiny" / first / ".run/log.txt"
    assert until(lambda: log.exists() and "version" in log.read_text(), 300)
    following.interrupt_group()  # stops the command that follows, not the run
    assert following.end().code == 130
    assert workspace.loop("status", first).out.splitlines()[1] == "state      running"
    gate.touch()
    assert until(lambda: has_ended(workspace, first), 300)
    assert record(workspace, first)["exit_code"] == 5
    assert workspace.loop("logs", first).code == 5
    states = {
        row["run"]: row["state"] for row in json.loads(workspace.loop("status", "--json").out)
    }
    assert states == {first: "failed (5)", second: "stopped", third: "killed"}
    assert record(workspace, second)["exit_code"] == 143 and "waiting" not in record(
        workspace, second
    )


def test_run_waits_while_another_one_has_the_only_place(
    workspace: Workspace, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    added(workspace, WAIT=str(gate))
    places = len(device_claims.slots_here())
    with busy():
        runs = [left(workspace) for _ in range(places + 1)]

    def begun() -> list[str]:
        return [run for run in runs if "waiting" not in record(workspace, run)]

    assert until(lambda: len(begun()) == places, 300)
    time.sleep(3 * device_claims.PAUSE)  # the last one has looked again
    assert begun() == runs[:-1]
    gate.touch()
    assert until(lambda: all(has_ended(workspace, run) for run in runs), 300)


def test_killed_supervisor_leaves_its_place_to_its_program(
    workspace: Workspace, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    added(workspace, WAIT=str(gate))
    run = left(workspace)
    log = workspace.root / "outputs/tiny" / run / ".run/log.txt"
    assert until(lambda: log.exists() and "version" in log.read_text(), 300)
    os.kill(record(workspace, run)["tool"]["pid"], signal.SIGKILL)
    time.sleep(1.5)  # what would free the place has had its time
    slots = {slot.lock for slot in device_claims.slots_here()}
    assert slots & device_locks.taken("slot-")
    assert workspace.loop("status", run).out.splitlines()[1] == "state      running"
    gate.touch()
    with busy():
        assert "state      killed" in workspace.loop("status", run).out


def test_what_a_restart_or_a_killed_command_has_left_is_shown_and_removed(
    workspace: Workspace,
) -> None:
    added(workspace)
    own = process_identity.own()
    machine, boot, space = own.host.split(" ") if sys.platform == "linux" else ("a", "b", "c")
    restarted = {"pid": own.pid, "start": "1", "host": f"{machine} {boot[::-1]}x {space}"}
    waiting, unfinished = "20260131-101500-aaaa", "20260131-101501-bbbb"
    record = {
        "run": waiting, "experiment": "tiny", "backend": "venv", "image": None, "tool": restarted,
        "waiting": "2026-01-31T10:15:00+00:00", "started": "2026-01-31T10:15:00+00:00",
        "ended": None, "exit_code": None,
    }  # fmt: skip
    for id, tool in ((waiting, restarted), (unfinished, {**own.json(), "start": "1"})):
        workspace.write(f".innerloop/queued/{id}/0/tiny/train.py", "print(1)\n")
        mark = {"id": id, "what": "detached run", "experiment": "tiny", "tool": tool}
        folder = f"outputs/tiny/{id}"
        workspace.write(f".innerloop/running/{id}.json", json.dumps({**mark, "folder": folder}))
    workspace.write(f"outputs/tiny/{waiting}/.run/run.json", json.dumps(record))
    (row,) = json.loads(workspace.loop("status", "--json").out)
    assert (row["run"], row["state"]) == (waiting, "killed")
    assert row["note"] == "this machine was restarted"
    assert not (workspace.root / ".innerloop/queued").exists()
    assert list((workspace.root / ".innerloop/running").iterdir()) == []


SWEEP = """type: sweep
trial:
  command: python -u train.py ${{search_space.lr}}
  code: .
  environment: {build: {path: ./environment}}
sampling_algorithm: grid
search_space:
  lr: {type: choice, values: [0.1, 0.2]}
objective: {goal: minimize, primary_metric: loss}
"""
PIPELINE = """type: pipeline
jobs:
  one:
    command: echo made > ${{outputs.made}}/file
    code: .
    environment: {build: {path: ./environment}}
    outputs: {made: {}}
  two:
    command: cat ${{inputs.made}}/file common.txt
    code: .
    environment: {build: {path: ./environment}}
    inputs: {made: "${{parent.jobs.one.outputs.made}}"}
"""


def test_sweep_and_pipeline_wait_and_run_with_the_code_of_when_they_were_asked_for(
    workspace: Workspace,
) -> None:
    added(workspace)
    workspace.write("src/tiny/sweep.yml", SWEEP)
    workspace.write("src/tiny/pipeline.yml", PIPELINE)
    with busy():
        sweep = left(workspace, "--file", "sweep.yml", "--trials", "2", "--parallel", "1")
        pipeline = left(workspace, "--file", "pipeline.yml")
        workspace.write("src/tiny/train.py", "raise SystemExit(9)\n")
        workspace.write("src/common/words.txt", "two\n")
    assert until(lambda: has_ended(workspace, sweep) and has_ended(workspace, pipeline), 600)
    assert [record(workspace, run)["exit_code"] for run in (sweep, pipeline)] == [0, 0]
    assert [record(workspace, run)["kind"] for run in (sweep, pipeline)] == ["sweep", "pipeline"]
    logs = [workspace.loop("logs", f"outputs/tiny/{run}").out for run in (sweep, pipeline)]
    assert "shared one\nversion 1 - 0.1\n" in logs[0] and "made\none\n" in logs[1]
    folder = workspace.root / "outputs/tiny"
    assert len(json.loads((folder / sweep / "trials.json").read_text())["trials"]) == 2
    assert (folder / pipeline / "one/made/file").read_text() == "made\n"
    trial = json.loads((folder / sweep / "trial-1/.run/run.json").read_text())
    assert trial["ordered"] == record(workspace, sweep)["ordered"]


@pytest.mark.parametrize(
    "words", [("--debug",), ("--backend", "ssh:nowhere", "--trials", "2", "--file", "sweep.yml")]
)
def test_what_cannot_be_left_is_a_usage_error(workspace: Workspace, words: tuple[str, ...]) -> None:
    added(workspace)
    workspace.write("src/tiny/sweep.yml", SWEEP)
    answer = workspace.loop("run", "tiny", "--detach", *words)
    assert answer.code == 2 and "[option-not-applicable]" in answer.message
