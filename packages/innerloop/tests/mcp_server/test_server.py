"""`loop mcp` as an agent has it: the official SDK's client on its stdin and stdout."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from innerloop.mcp_server.tool_table import TOOLS
from innerloop.util import locked_environments, venvs
from tests.support import Workspace

pytestmark = pytest.mark.network

TRAIN = """import argparse
import os
import pathlib
import time

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--waits", type=int)
args = parser.parse_args()
pathlib.Path("outputs").mkdir(exist_ok=True)
print("trained", args.epochs)
if args.waits:
    started = pathlib.Path(STARTED)
    started.with_suffix(".new").write_text(str(os.getpid()))
    started.with_suffix(".new").rename(started)
    time.sleep(600)
"""
JOB = """command: python train.py --epochs ${{inputs.epochs}} --waits ${{inputs.waits}}
inputs:
  epochs: 8
  waits: 0
"""
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def python(_tool: None) -> str:
    """That of the server's environment, which has the client as well."""
    return str(venvs.python_of(locked_environments.ensure("mcp")))


@pytest.fixture
def ask(workspace: Workspace, python: str) -> Ask:
    started = repr(str(workspace.root / "started"))
    workspace.add("line", TRAIN.replace("STARTED", started), job=JOB)
    client = Path(__file__).with_name("client.py")

    def ask_(*steps: dict[str, Any], words: tuple[str, ...] = ()) -> dict[str, Any]:
        launcher = str(workspace.root / "scripts" / "loop")
        argv = [python, str(client), launcher, json.dumps(steps), *words]
        env = {**os.environ, "DOCKER_HOST": "unix:///nowhere"}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr
        answered: dict[str, Any] = json.loads(done.stdout)
        return answered

    return ask_


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"call": name, "arguments": arguments}


def test_server_lists_tools_that_read_and_answers_each(ask: Ask, workspace: Workspace) -> None:
    answered = ask(
        call("list"),
        call("check", experiment="line"),
        call("run", experiment="src/line/train.py", inputs={"epochs": 3}),
        call("run", experiment="line", real=True),
        call("runs"),
        call("logs", run="20260101-000000-0000"),
        call("diff"),
        call("parity", experiment="line"),
        call("run", experiment="--help"),
        call("check", experiment="line", other=1),
    )
    assert answered["server"] == "innerloop"
    assert list(answered["hints"]) == [tool.name for tool in TOOLS]
    assert all(hints["readOnlyHint"] for hints in answered["hints"].values())
    texts = [answer["text"] for answer in answered["answers"]]
    assert [answer["error"] for answer in answered["answers"]] == [
        *(False, False, False, True, False, True, False, False, True, True)
    ]
    assert json.loads(texts[0])[0]["experiment"] == "line"
    assert isinstance(json.loads(texts[1]), list)
    assert json.loads(texts[2])["command"].endswith("--epochs 3 --waits 0")
    assert "[mcp-not-allowed]" in texts[3]
    assert json.loads(texts[4]) == []
    assert "tasks.json" in texts[6]
    assert json.loads(texts[7])[0]["experiment"] == "line"
    assert "[mcp-argument-invalid]" in texts[8]
    assert not (workspace.root / "outputs").exists()


def test_server_that_may_run_runs_and_ends_a_cancelled_run(ask: Ask, workspace: Workspace) -> None:
    real = {"experiment": "line", "real": True, "backend": "venv"}
    started = workspace.root / "started"
    answered = ask(
        call("run", **real),
        call("runs", experiment="line", last=1),
        {**call("run", **real, inputs={"waits": 1}), "until": str(started)},
        call("list"),
        words=("--allow", "run"),
    )
    assert not answered["hints"]["run"]["readOnlyHint"]
    first, listed, cancelled, after = answered["answers"]
    assert json.loads(first["text"])["exit_code"] == 0
    assert "trained 8" in json.loads(first["text"])["output"]
    assert json.loads(listed["text"])[0]["state"] == "done"
    assert cancelled["error"] and not after["error"]
    assert is_gone(int(started.read_text()))
    end = time.monotonic() + 120
    states = ["", "running"]
    while states[-1] == "running" and time.monotonic() < end:
        runs = json.loads(workspace.loop("runs", "--json").out)
        states = [run["state"] for run in runs]
    assert states == ["done", "stopped"]


def is_gone(pid: int) -> bool:
    """Whether a process ends; a machine under load gets the time."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
