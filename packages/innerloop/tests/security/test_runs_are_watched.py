"""A run is watched to its end: whoever is killed, the next command finds, follows, stops, closes it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.serving.tiny import add_model, add_server
from tests.support import Started, Workspace, free_port, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

# Prints, writes a result beside ./outputs, and ends with 3.
STEPS = """
import os, sys, time
for i in range({steps}):
    print("step", i, flush=True)
    time.sleep({pause})
print("the end", flush=True)
sys.exit(3)
"""
# As STEPS, but nothing is printed, so that a reader who is gone does not end it.
SILENT = """
import os, time
open("beside.txt", "w").write("kept")
open("outputs/pid", "w").write(str(os.getpid()))
time.sleep({seconds})
"""


def record(workspace: Workspace) -> dict[str, Any]:
    value = json.loads((workspace.outputs("tiny") / ".run/run.json").read_text())
    assert isinstance(value, dict)
    return value


def states(workspace: Workspace) -> list[str]:
    listed = workspace.loop("runs", "--json")
    assert listed.code == 0, listed.err
    return [run["state"] for run in json.loads(listed.out)]


def left(workspace: Workspace) -> list[str]:
    """What a closed run must not leave: scratch folders and marks of what is in flight."""
    folders = (workspace.root / ".innerloop/scratch", workspace.root / ".innerloop/running")
    return [str(path) for folder in folders if folder.is_dir() for path in folder.rglob("*")]


def docker_run(workspace: Workspace, steps: int = 4, pause: float = 0.7) -> Started:
    if not (workspace.root / "src/tiny").exists():
        workspace.add("tiny", STEPS.format(steps=steps, pause=pause))
    started = workspace.start("run", "tiny", "--backend", "docker")
    started.wait_for("step 0")
    return started


def client_of(workspace: Workspace) -> int:
    """The process of `docker run` of this workspace's only run."""
    label = f"innerloop.workspace={workspace.root}"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[:2] == ["docker", "run"] and label in words:
            return int(path.parent.name)
    raise AssertionError("there is no client")


def close_whole(workspace: Workspace) -> None:
    """The next commands show the run, close it with its true end, and leave nothing."""
    assert until(lambda: states(workspace) != ["running"], 60)
    assert states(workspace) == ["failed (3)"]
    closed = record(workspace)
    assert closed["exit_code"] == 3 and closed["ended"] and closed["seconds"] > 0.5
    log = (workspace.outputs("tiny") / ".run/log.txt").read_text()
    assert log.startswith("step 0\n") and log.endswith("the end\n")
    assert workspace.containers() == [] and left(workspace) == []


@pytest.mark.docker
def test_killed_tool_is_closed_with_the_true_end_and_whole_log(workspace: Workspace) -> None:
    started = docker_run(workspace, steps=12, pause=1.0)  # it outlives two commands on any machine
    started.send(signal.SIGKILL)
    started.child.wait()
    assert states(workspace) == ["running"]
    refused = workspace.loop("rename", "tiny", "other")
    assert refused.code == 1 and "[run-alive]" in refused.message
    assert "cancel" in refused.message and (workspace.root / "src/tiny").is_dir()
    followed = workspace.loop("logs", record(workspace)["run"][:15], "--follow")
    assert followed.code == 3, followed.err
    assert followed.out.startswith("step 0\n") and followed.out.endswith("the end\n")
    close_whole(workspace)


@pytest.mark.docker
def test_killed_client_is_noticed_and_the_run_goes_on(workspace: Workspace) -> None:
    workspace.env["DOCKER_API_VERSION"] = "1.41"  # the client has to start it
    started = docker_run(workspace, steps=12)
    os.kill(client_of(workspace), signal.SIGKILL)
    answer = started.end(60)
    assert answer.code == 3, answer.err
    assert "still runs: following it" in answer.err and "the end" in answer.out
    close_whole(workspace)


@pytest.mark.docker
def test_cancel_stops_a_container_whose_tool_was_killed(workspace: Workspace) -> None:
    workspace.add("tiny", STEPS.format(steps=600, pause=0.2))
    started = docker_run(workspace)
    started.send(signal.SIGKILL)
    canceled = workspace.loop("cancel")
    assert canceled.code == 0, canceled.err
    assert workspace.containers() == [] and left(workspace) == []
    assert record(workspace)["exit_code"] is not None
    assert workspace.loop("cancel").out.strip().endswith(("stopped", "failed (137)", ")"))


@pytest.mark.docker
def test_run_that_does_not_start_leaves_no_container(workspace: Workspace) -> None:
    workspace.add("tiny", "", job="resources:\n  docker_args: --device /dev/nothing-here\n")
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code in (125, 126, 127), answer.err
    assert workspace.containers() == [] and left(workspace) == []


@pytest.mark.docker
def test_server_whose_command_was_killed_is_taken_over(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    port = str(free_port())
    serving = workspace.start("serve", "line", "--port", port)
    serving.wait_for("line is served at ")
    serving.send(signal.SIGKILL)
    serving.child.wait()
    (lost,) = workspace.containers()
    listed = workspace.loop("clean", "--dry-run", "--all")
    assert f"docker stop {lost}" in listed.out
    refused = workspace.loop("remove", "line", "--yes")
    assert refused.code == 1 and "serve line --stop" in refused.message
    second = workspace.start("serve", "line", "--port", port)
    second.wait_for("line is served at ")
    assert "was left by a command that was killed" in second.text
    (taken,) = workspace.containers()
    assert taken != lost
    stopped = workspace.loop("serve", "line", "--stop")
    assert stopped.code == 0 and second.end(30).code is not None
    assert workspace.containers() == [] and left(workspace) == []


def venv_run(workspace: Workspace, program: str) -> Started:
    workspace.add("tiny", program)
    # An environment of its own: `clean` lists those that this workspace made.
    workspace.write("src/tiny/environment/requirements.txt", f"# {workspace.root}\n")
    started = workspace.start("run", "tiny", "--backend", "venv")
    assert until(lambda: any(workspace.root.glob("outputs/tiny/*/pid")), 60), started.text
    return started


def program_of(workspace: Workspace) -> int:
    return int((workspace.outputs("tiny") / "pid").read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.network
def test_program_that_outlives_its_killed_tool_is_shown_and_stopped(workspace: Workspace) -> None:
    started = venv_run(workspace, SILENT.format(seconds=300))
    started.send(signal.SIGKILL)
    started.child.wait()
    assert states(workspace) == ["running"] and is_alive(program_of(workspace))
    for words in (("rename", "tiny", "other"), ("remove", "tiny", "--yes")):
        refused = workspace.loop(*words)
        assert refused.code == 1 and "[run-alive]" in refused.message
    kept = workspace.loop("clean", "outputs", "environments", "--all", "--older-than", "0", "--yes")
    assert kept.code == 0 and workspace.outputs("tiny").is_dir()
    assert "it is running" in kept.out and "uses it" in kept.out
    canceled = workspace.loop("cancel")
    assert canceled.code == 0 and "stopped" in canceled.out, canceled.err
    assert not is_alive(program_of(workspace)) and left(workspace) == []
    assert (workspace.outputs("tiny") / "beside-outputs/beside.txt").read_text() == "kept"
    assert workspace.loop("rename", "tiny", "other").code == 0


@pytest.mark.network
def test_closed_terminal_ends_the_program_and_closes_the_record(workspace: Workspace) -> None:
    started = venv_run(workspace, SILENT.format(seconds=300))
    started.send(signal.SIGHUP)
    answer = started.end(30)
    assert answer.code in (129, 143), answer.err
    assert states(workspace) == ["stopped"]
    assert not is_alive(program_of(workspace)) and left(workspace) == []


@pytest.mark.network
def test_cancel_stops_a_run_of_another_terminal(workspace: Workspace) -> None:
    started = venv_run(workspace, SILENT.format(seconds=300))
    canceled = workspace.loop("cancel", record(workspace)["run"])
    assert canceled.code == 0 and "stopped" in canceled.out, canceled.err
    assert started.end(30).code in (130, 143)
    assert left(workspace) == []


def test_link_in_the_place_of_a_lost_scratch_folder_is_not_followed(workspace: Workspace) -> None:
    victim = workspace.root.parent / "victim"
    victim.mkdir()
    (victim / "note.txt").write_text("kept")
    folder = workspace.root / "outputs/tiny/1/.run"
    folder.mkdir(parents=True)
    tool = {"pid": 4000000, "start": "1", "host": _own_host()}
    (folder / "run.json").write_text(json.dumps({"run": "1", "tool": tool, "started": ""}))
    (workspace.root / ".innerloop/scratch").mkdir(parents=True)
    (workspace.root / ".innerloop/scratch/tiny").symlink_to(victim)
    (victim / "1").mkdir()
    (victim / "1/data.txt").write_text("kept")
    assert states(workspace) == ["killed"]
    assert (victim / "1/data.txt").read_text() == "kept"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 5000,
        '{"id": "x"}',
        '{"id": 1, "what": [], "experiment": {}, "folder": "", "tool": {}}',
        json.dumps({"id": "x", "what": "run", "experiment": "tiny", "folder": "../../etc",
                    "tool": {"pid": 1, "start": "", "host": "h"}}),
        json.dumps({"id": "x", "what": "run", "experiment": "tiny", "folder": "outputs/a/../..",
                    "tool": {"pid": 2, "start": "", "host": "h"}}),
        json.dumps({"id": "x", "what": "run", "experiment": "tiny", "folder": "",
                    "tool": {"pid": 10**30, "start": "", "host": "h"}}),
        json.dumps({"id": "x", "what": "\x1b[2J", "experiment": "tiny", "folder": "",
                    "tool": {"pid": 2, "start": "", "host": "h"}}),
    ],
)  # fmt: skip
def test_hostile_mark_is_ignored(workspace: Workspace, text: str) -> None:
    workspace.add("tiny", "print('hello')")
    workspace.write(".innerloop/running/x.json", text)
    answer = workspace.loop("rename", "tiny", "other")
    assert answer.code == 0, answer.message


def _own_host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{os.uname().nodename} {boot} {os.readlink('/proc/self/ns/pid')}"


@pytest.mark.parametrize("words", [("list",), ("--help",), ("run", "tiny", "--dry-run")])
def test_control_c_at_any_moment_of_a_start_is_no_traceback(
    workspace: Workspace, words: tuple[str, ...]
) -> None:
    workspace.add("tiny", "print('hello')")
    assert workspace.loop("list").code == 0  # the launcher learns how to let Ctrl-C wait
    interrupted_starts(workspace, words, range(0, 120, 10))


@pytest.mark.nightly
def test_control_c_at_every_moment_of_a_start_is_no_traceback(workspace: Workspace) -> None:
    workspace.add("tiny", "print('hello')")
    assert workspace.loop("list").code == 0
    for words in (("list",), ("--help",), ("runs",), ("run", "tiny", "--dry-run"), ("check",)):
        interrupted_starts(workspace, words, range(0, 200, 2))


def interrupted_starts(workspace: Workspace, words: tuple[str, ...], moments: range) -> None:
    for milliseconds in moments:
        started = workspace.start(*words)
        time.sleep(milliseconds / 1000)
        started.interrupt_group()
        answer = started.end(30)
        # Before the launcher's first line the shell is ended by the signal itself.
        assert answer.code in (130, 0, -signal.SIGINT), answer
        assert "Traceback" not in answer.err and "KeyboardInterrupt" not in answer.err, answer


@pytest.mark.nightly
@pytest.mark.docker
def test_fifty_kills_at_any_moment_leave_nothing_unknown(workspace: Workspace) -> None:
    """The tool, its client or both die at a random moment; afterwards nothing is left or lost."""
    workspace.add("tiny", STEPS.format(steps=3, pause=0.3))
    assert workspace.loop("run", "tiny", "--backend", "docker").code == 3
    seeded = random.Random(15)
    for number in range(50):
        started = workspace.start("run", "tiny", "--backend", "docker")
        time.sleep(seeded.uniform(0.05, 2.0))
        victim = seeded.choice(["tool", "client", "group"])
        try:
            if victim == "tool":
                started.send(signal.SIGKILL)
            elif victim == "group":
                os.killpg(started.child.pid, signal.SIGKILL)
            else:
                os.kill(client_of(workspace), signal.SIGKILL)
        except (AssertionError, ProcessLookupError):
            pass  # it had not started, or had ended
        try:
            started.child.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{number}: {victim} hangs: {started.text}") from None
        runs = workspace.root / "outputs/tiny"
        assert until(lambda: not {"running", "unknown"} & set(states(workspace)), 90), number
        for folder in runs.iterdir():
            value = json.loads((folder / ".run/run.json").read_text())
            log = (folder / ".run/log.txt").read_text()
            if "the end" in log:
                assert value["exit_code"] == 3, (number, victim, value)
        assert workspace.containers() == [], (number, victim)
        assert left(workspace) == [], (number, victim)
        shutil.rmtree(runs)
        runs.mkdir()
