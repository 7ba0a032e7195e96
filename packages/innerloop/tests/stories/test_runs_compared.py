"""Runs that leave enough behind to be compared, and repeated: three runs, a table, a page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.history.pages import data_of
from tests.support import Workspace, docker, until

TRAIN = """
import argparse, json, sys
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_args().rate
print("rate", rate, flush=True)
print("a warning", file=sys.stderr, flush=True)
with open("outputs/metrics.jsonl", "w") as file:
    for epoch in (1, 2):
        file.write(json.dumps({"epoch": epoch, "loss": rate / epoch}) + "\\n")
json.dump({"test_accuracy": 1 - rate}, open("outputs/metrics.json", "w"))
sys.exit(3 if rate > 1 else 0)
"""
JOB = "command: python train.py --rate ${{inputs.rate}}\ninputs:\n  rate: 0.5\n"
VENV = ("--backend", "venv")


def git(workspace: Workspace, *words: str) -> str:
    who = ["-c", "user.name=a person", "-c", "user.email=person@example.com"]
    done = subprocess.run(
        ["git", *who, *words], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def committed(workspace: Workspace) -> Workspace:
    workspace.add("line", TRAIN, job=JOB)
    workspace.write(".gitignore", "/outputs/\n/scripts\n/.innerloop/*\n__pycache__/\n")
    git(workspace, "init", "-q", "-b", "main")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "start")
    return workspace


def records(workspace: Workspace) -> list[dict[str, Any]]:
    answer = workspace.loop("runs", "--json")
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)
    return found


def test_three_runs_in_a_table_and_on_a_page(committed: Workspace) -> None:
    assert committed.loop("runs").out == "No runs yet. `scripts/loop run EXP` starts one.\n"
    codes = [
        committed.loop("run", "line", *VENV, *words).code
        for words in ((), ("--set", "inputs.rate=0.25"), ("--", "--rate", "2"))
    ]
    assert codes == [0, 0, 3]
    found = records(committed)
    assert [one["exit_code"] for one in found] == codes
    assert [one["state"] for one in found] == ["done", "done", "failed (3)"]
    assert [one["scores"]["test_accuracy"] for one in found] == [0.5, 0.75, -1.0]
    assert found[1]["curves"] == {"loss": [[1.0, 0.25], [2.0, 0.125]]}
    assert found[1]["command"] == "python train.py --rate 0.25"
    assert found[2]["arguments"] == ["--rate", "2"]
    assert all(len(one["environment"]) == 64 and one["seconds"] > 0 for one in found)
    table = committed.loop("runs", "line", "--last", "2").out
    assert len(table.splitlines()) == 3
    assert "0.75" in table and "failed (3)" in table and "--rate 2" in table
    log = committed.loop("runs", "--log", found[0]["run"])
    assert "rate 0.5" in log.out and "a warning" in log.out
    assert committed.loop("runs", "--page").code == 0
    page = committed.read("outputs/runs.html")
    shown = data_of(page)["runs"]
    assert [run["id"] for run in shown] == [run["run"] for run in reversed(found)]
    assert [run["curves"]["loss"]["y"] for run in shown] == [[2, 1], [0.25, 0.125], [0.5, 0.25]]
    assert committed.loop("runs", "--page", "a page.html").out == "wrote a page.html (3 runs)\n"
    assert committed.read("a page.html") == page
    assert committed.loop("runs", "line", "--page", "shop").code == 2
    assert committed.loop("runs", "--html").out == page


def test_the_code_of_a_run_can_be_brought_back(committed: Workspace, tmp_path: Path) -> None:
    changed = TRAIN.replace("a warning", "another")
    committed.write("src/line/train.py", changed)
    committed.write("src/line/new file é.py", "print('new')\n")
    (committed.root / "src/line/model.bin").write_bytes(bytes(range(256)))
    committed.write("notes.txt", "kept out of the index\n")
    git(committed, "add", "notes.txt")
    before = git(committed, "status", "--porcelain"), git(committed, "diff", "--cached")
    assert committed.loop("run", "line", *VENV).code == 0
    assert (git(committed, "status", "--porcelain"), git(committed, "diff", "--cached")) == before
    (record,) = records(committed)
    assert record["git"]["branch"] == "main" and record["git"]["dirty"]
    assert set(record["git"]["untracked"]) == {"src/line/new file é.py", "src/line/model.bin"}
    again = tmp_path / "again"
    git(committed, "clone", "-q", str(committed.root), str(again))
    subprocess.run(["git", "checkout", "-q", record["git"]["commit"]], cwd=again, check=True)
    patch = committed.outputs("line") / ".run" / "changes.patch"
    subprocess.run(["git", "apply", str(patch)], cwd=again, check=True)
    assert (again / "src/line/train.py").read_text() == changed
    assert (again / "src/line/new file é.py").read_text() == "print('new')\n"
    assert (again / "src/line/model.bin").read_bytes() == bytes(range(256))
    assert (again / "notes.txt").exists()


def test_a_run_that_was_killed_says_so(workspace: Workspace) -> None:
    workspace.add("line", "import time; print('awake', flush=True); time.sleep(60)")
    started = workspace.start("run", "line", *VENV)
    started.wait_for("awake")
    (running,) = records(workspace)
    assert running["state"] == "running" and running["git"] is None
    os.killpg(started.child.pid, signal.SIGKILL)
    started.child.wait()
    assert until(lambda: records(workspace)[0]["state"] == "killed", 10)


def test_a_run_that_is_interrupted_is_stopped(workspace: Workspace) -> None:
    workspace.add("line", "import time; print('awake', flush=True); time.sleep(60)")
    started = workspace.start("run", "line", *VENV)
    started.wait_for("awake")
    started.interrupt_group()
    assert started.end().code == 130
    (stopped,) = records(workspace)
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 130)
    assert "awake" in workspace.loop("runs", "--log", stopped["run"][:8]).out


@pytest.mark.docker
def test_a_run_in_a_container_leaves_the_same(committed: Workspace) -> None:
    assert committed.loop("run", "line", "--backend", "docker").code == 0
    (record,) = records(committed)
    assert record["backend"] == "docker" and record["scores"] == {
        "test_accuracy": 0.5,
        "loss": 0.25,
    }
    label = docker(
        "image", "inspect", "-f", '{{index .Config.Labels "innerloop.digest"}}', record["image"]
    )
    assert label.strip() == record["environment"]
    assert "rate 0.5" in committed.loop("runs", "--log", record["run"]).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--log", "2099"), 'there is no run "2099"'),
        (("--last", "0"), "--last 0 is not a number of runs"),
        (("lone",), 'the experiment "lone" does not exist. Did you mean "line"?'),
    ],
)
def test_wrong_words(committed: Workspace, words: tuple[str, ...], message: str) -> None:
    answer = committed.loop("runs", *words)
    assert answer.code == 2 and message in answer.message
