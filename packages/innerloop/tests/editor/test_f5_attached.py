"""F5 in any command, from the host.

The rendered preLaunchTask starts the run with its debugger, the rendered configuration attaches,
and each Python process of the command is stopped in.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editor.dap import Connected, Editor
from tests.editor.f5 import JOB, open_file_port, own_port, press_f5, problem, seen, started
from tests.support import Workspace, patience

TRAIN = """import os
import sys
from common import shared

value = shared.twice(int(sys.argv[1]))
print("value", value, flush=True)
sys.exit(int(os.environ.get("CODE", "0")))
"""
SHARED = """def twice(number):
    result = 2 * number
    return result
"""


def experiment(workspace: Workspace, job: str, name: str = "line", train: str = TRAIN) -> Path:
    folder = workspace.add(name, train, job=job)
    own_port(workspace, name)
    workspace.write("src/common/shared.py", SHARED)
    if not (folder / "common").exists():
        (folder / "common").mkdir()
        os.symlink("../../common/shared.py", folder / "common" / "shared.py")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    return folder


@pytest.mark.docker
def test_each_process_behind_and_in_a_container(
    workspace: Workspace, editors: list[Editor]
) -> None:
    folder = experiment(
        workspace, 'command: bash -c "python train.py 2 && CODE=7 python train.py 3"\n'
    )
    editor = started(workspace, editors)
    shared = workspace.root / "src" / "common" / "shared.py"
    stops = {folder / "train.py": [5], shared: [2]}
    editor.attach(stops)
    for number in (2, 3):
        process = editor.next_process(stops)
        thread = process.stopped()
        assert seen(process, thread) == (str(folder / "train.py"), 5)
        assert process.evaluate("sys.argv", thread) == repr(["train.py", str(number)])
        assert process.evaluate("os.getcwd()", thread) == repr("/workspaces/work space/src/line")
        process.go_on(thread)
        thread = process.stopped()
        assert process.top(thread)["name"] == "twice"
        assert seen(process, thread)[0] == str(shared)  # not the link to it
        process.ask("next", threadId=thread)
        assert process.stopped("step") == thread
        assert process.evaluate("result", thread) == str(2 * number)
        process.go_on(thread)
    assert editor.exit_code() == 7, editor.text
    assert "value 4" in editor.text and "value 6" in editor.text
    assert workspace.containers() == []


SCRIPT = """set -e
echo "no Python here: $(uname)"
python -m pip --version >pip.txt
python train.py 5
"""
OWN = "import builtins\nbuiltins.own = 'ran'\n"


def test_a_shell_script_with_pip_and_a_sitecustomize_of_its_own(
    workspace: Workspace, editors: list[Editor]
) -> None:
    """Without an engine: the view in which it runs is shown as the folder of the code."""
    folder = experiment(
        workspace, "command: bash job.sh\nenvironment_variables: {PYTHONPATH: paths}\n"
    )
    (folder / "job.sh").write_text(SCRIPT)
    workspace.write("src/line/paths/sitecustomize.py", OWN)
    editor = started(workspace, editors, engine=False)
    stops = {folder / "train.py": [5], folder / "common" / "shared.py": [2]}
    editor.attach(stops)
    process = editor.next_process(stops)
    thread = process.stopped()
    assert seen(process, thread) == (str(folder / "train.py"), 5)
    assert process.evaluate("__builtins__.own", thread) == repr("ran")
    assert ".innerloop" in process.evaluate("os.getcwd()", thread)
    assert "innerloop/debugger" not in process.evaluate("repr(sys.path)", thread)
    process.go_on(thread)
    thread = process.stopped()
    assert process.evaluate("number", thread) == "5"
    process.go_on(thread)
    assert editor.exit_code() == 0, editor.text
    assert "no Python here: " in editor.text
    # pip was not asked for: its session would have been the first.
    assert editor.processes.empty()
    assert list((workspace.root / ".innerloop" / "scratch").glob("*/*")) == []


RANKS = """import os, subprocess, sys
ranks = [subprocess.Popen([sys.executable, "train.py", rank], env={**os.environ, "RANK": rank})
         for rank in "01"]
sys.exit(sum(one.wait() for one in ranks))
"""
FORKS = """import multiprocessing, sys

def work(number):
    return 2 * number

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print("sum", sum(pool.map(work, [1, 2])), flush=True)
"""


def test_processes_that_a_launcher_starts(workspace: Workspace, editors: list[Editor]) -> None:
    """As torchrun and accelerate do it: a Python program that starts others, two at once."""
    folder = experiment(workspace, "command: python ranks.py\n")
    (folder / "ranks.py").write_text(RANKS)
    editor = started(workspace, editors, engine=False)
    stops = {folder / "train.py": [5]}
    editor.attach(stops)
    editor.next_process(stops)
    ranks = [editor.next_process(stops) for _ in range(2)]
    threads = [rank.stopped() for rank in ranks]
    at_once = {
        rank.evaluate("os.environ['RANK']", thread)
        for rank, thread in zip(ranks, threads, strict=True)
    }
    assert at_once == {repr("0"), repr("1")}
    for rank, thread in zip(ranks, threads, strict=True):
        rank.go_on(thread)
    assert editor.exit_code() == 0, editor.text


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers(workspace: Workspace, editors: list[Editor], how: str) -> None:
    """Those of multiprocessing, and so of a data loader: forked or started anew."""
    folder = experiment(workspace, f"command: python train.py {how} && exit 3\n", train=FORKS)
    editor = started(workspace, editors, engine=False)
    stops = {folder / "train.py": [4]}
    editor.attach(stops)
    editor.next_process(stops)
    worker = editor.next_process(stops)
    for number in ("1", "2"):
        thread = worker.stopped()
        assert worker.evaluate("number", thread) == number
        worker.go_on(thread)
    assert editor.exit_code() == 3, editor.text
    assert "sum 6" in editor.text


@pytest.mark.docker
def test_a_command_that_sets_pythonpath_itself(workspace: Workspace, editors: list[Editor]) -> None:
    command = "export PYTHONPATH=$PWD\\n PYTHONPATH=.:lib python train.py 4"
    folder = experiment(workspace, f'command: "{command}"\n')
    for engine in (True, False):
        editor = started(workspace, editors, engine=engine)
        stops = {folder / "train.py": [5]}
        editor.attach(stops)
        process = editor.next_process(stops)
        thread = process.stopped()
        assert process.evaluate("os.environ['PYTHONPATH']", thread) == repr(".:lib")
        process.go_on(thread)
        assert editor.exit_code() == 0, editor.text


@pytest.mark.docker
def test_two_at_once(workspace: Workspace, editors: list[Editor]) -> None:
    folders = [experiment(workspace, "command: sh -c 'python train.py 1'\n", name) for name in "ab"]
    both = [started(workspace, editors, f"{name}: job in its container") for name in "ab"]
    assert len(workspace.containers()) == 2
    for folder, editor in zip(folders, both, strict=True):
        stops = {folder / "train.py": [5]}
        editor.attach(stops)
        process = editor.next_process(stops)
        assert seen(process, thread := process.stopped()) == (str(folder / "train.py"), 5)
        process.go_on(thread)
    assert [editor.exit_code() for editor in both] == [0, 0]
    assert workspace.containers() == []


@pytest.mark.docker
def test_a_taken_port_is_said_and_another_is_chosen(
    workspace: Workspace, editors: list[Editor]
) -> None:
    experiment(workspace, "command: sh -c 'python train.py 1'\n")
    first = started(workspace, editors)
    (container,) = workspace.containers()
    second = press_f5(workspace, JOB)
    editors.append(second)
    assert not second.start_task()
    assert second.exit_code() == 1
    found = problem(second)
    assert (found["file"], found["line"]) == ("src/line/azure-ml-job.yaml", "1")
    assert f"is taken by the run {container} of {workspace.root}" in found["message"]
    # A terminal asks for no port: it gets another one.
    other = workspace.start("run", "line", "--debug")
    other.wait_for("ready for the debugger at 127.0.0.1:")
    port = first.configuration["connect"]["port"]
    assert f"at 127.0.0.1:{port} " not in other.text
    other.interrupt_group()
    assert other.end(30).code == 130
    assert workspace.containers() == [container]


@pytest.mark.docker
@pytest.mark.parametrize("how", ["disconnect", "terminate", "control-c"])
def test_stop_ends_the_run_and_leaves_no_container(
    workspace: Workspace, editors: list[Editor], how: str
) -> None:
    folder = experiment(workspace, "command: sh -c 'python train.py 1; sleep 600'\n")
    editor = started(workspace, editors)
    stops = {folder / "train.py": [5]}
    root = editor.attach(stops)
    process = editor.next_process(stops)
    process.stopped()
    assert editor.process is not None
    if how == "control-c":
        os.killpg(editor.process.pid, signal.SIGINT)
    elif how == "disconnect":  # from the process: an editor that knows of no parent
        process.ask("disconnect", terminateDebuggee=False)
    else:
        root.ask("disconnect", terminateDebuggee=True)
    code = editor.exit_code(60)
    assert code == (130 if how == "control-c" else 143), editor.text
    assert workspace.containers() == []
    assert "value 2" not in editor.text  # it did not go on from where it was stopped
    assert [run["state"] for run in json.loads(workspace.loop("runs", "--json").out)] == ["stopped"]


def test_restart_runs_the_changed_job_anew_for_the_same_task(
    workspace: Workspace, editors: list[Editor]
) -> None:
    """In the configuration that comes first, with shared code of one experiment open."""
    open_file_port(workspace)
    folder = experiment(workspace, "command: python train.py 2\n")
    file = "src/common/shared.py"
    editor = started(workspace, editors, "this experiment", engine=False, file=file)
    stops = {folder / "train.py": [5]}
    editor.attach(stops)
    process = editor.next_process(stops)
    process.stopped()
    # F5 again, or in another window: why not, and the first one goes on.
    second = Connected(editor.configuration)
    editor.sessions.append(second)
    second.ask("initialize", clientID="vscode", adapterID="debugpy")
    assert "is being debugged already" in second.refusal("attach", **editor.configuration)
    second.ask("disconnect", restart=False)
    job = folder / "azure-ml-job.yaml"
    job.write_text(job.read_text().replace("train.py 2", "train.py 4"))
    process.ask("disconnect", restart=True, terminateDebuggee=True)
    editor.timeout = 120
    # VS Code is sooner back than the second run listens: it waits at the same port.
    editor.attach(stops)
    process = editor.next_process(stops)
    thread = process.stopped()
    assert process.evaluate("sys.argv[1]", thread) == repr("4")
    background = editor.task["problemMatcher"]["background"]
    assert any(re.search(background["beginsPattern"], line) for line in editor.lines)
    process.go_on(thread)
    assert editor.exit_code() == 0, editor.text
    states = [run["state"] for run in json.loads(workspace.loop("runs", "--json").out)]
    assert sorted(states) == ["done", "stopped"]


@pytest.mark.parametrize("how", ["reload", "lost"])
def test_an_editor_that_only_leaves_lets_the_run_go_on(
    workspace: Workspace, editors: list[Editor], how: str
) -> None:
    """Processes that start meanwhile run without it, and F5 returns to the same run."""
    folder = experiment(workspace, f"command: {LOOPS}\n")
    (folder / "again").touch()
    editor = started(workspace, editors, engine=False)
    stops = {folder / "train.py": [5]}
    root = editor.attach(stops)
    process = editor.next_process(stops)
    process.stopped()
    if how == "reload":
        for session in (process, root):
            session.ask("disconnect", restart=False)
    for session in (process, root):
        session.close()
    wait_until(lambda: editor.text.count("value 4") > 1, editor)
    editor.attach(stops)
    process = editor.next_process(stops)
    thread = process.stopped()
    assert seen(process, thread) == (str(folder / "train.py"), 5)
    (folder / "again").unlink()
    process.ask("setBreakpoints", source={"path": str(folder / "train.py")}, breakpoints=[])
    process.go_on(thread)
    assert editor.exit_code() == 0, editor.text


LOOPS = "while test -e again; do python train.py 2; done"


def wait_until(condition: Callable[[], bool], editor: Editor) -> None:
    # A process that starts just as the editor leaves is waited for by debugpy, for 60 s.
    end = time.monotonic() + patience(120)
    while not condition():
        assert time.monotonic() < end, editor.text
        time.sleep(0.05)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("dockerfile", "job", "said"),
    [
        ("", "inputs: {data: {path: ./nothing}}\n", "nothing"),
        ("FROM nowhere/nothing:1\n", "", "cannot be built"),
        (
            "FROM python:3.11-slim-bookworm\nRUN rm -f $(command -v python) $(command -v python3)\n",
            "",
            "no python",
        ),
    ],
)
def test_a_run_that_dies_before_it_listens_ends_f5_with_its_sentence(
    workspace: Workspace, editors: list[Editor], dockerfile: str, job: str, said: str
) -> None:
    experiment(workspace, f"command: sh -c 'python train.py'\n{job}")
    if dockerfile:
        workspace.write("src/line/environment/Dockerfile", dockerfile)
    editor = press_f5(workspace, JOB)
    editors.append(editor)
    assert not editor.start_task()
    assert editor.exit_code() == 1, editor.text
    assert said in problem(editor)["message"]
    assert problem(editor)["file"].startswith("src/line/")
    assert workspace.containers() == []
