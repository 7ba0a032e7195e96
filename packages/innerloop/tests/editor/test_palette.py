"""The task palette as a person finds it in VS Code: what is listed, what each task does."""

from __future__ import annotations

import re
import socket
import urllib.request

import pytest

from innerloop.sync.render.vscode_tasks import (
    DEBUG,
    FORMAT,
    MORE,
    NEW,
    NOTEBOOK,
    RUN,
    RUN_FILE,
    SHARE,
    STOP,
    TASKS,
    TEST,
)
from tests.editor.workbench import Problem, Workbench, wait_for
from tests.jupyterlab_stand_in import JUPYTERLAB
from tests.support import Workspace

pytestmark = pytest.mark.editor


def test_palette_lists_exactly_our_tasks_in_the_order_of_a_day(window: Workbench) -> None:
    listed = window.palette()
    ours = sorted((task.label, task.detail) for task in TASKS if not task.hidden)
    assert sorted(listed) == ours
    configured = [label for label, _ in listed]
    assert configured == sorted(configured)


def test_run_takes_the_open_files_experiment_and_asks_where_it_is_of_none(
    window: Workbench, demo: Workspace
) -> None:
    window.open_file("src/line/environment/Dockerfile")
    window.start(RUN)
    assert window.ended(RUN, seconds=300) == 0  # its environment is made
    window.says("trained --epochs 8")
    assert (demo.outputs("line") / "arguments.txt").read_text() == "--epochs 8"
    window.open_file("pyproject.toml")
    window.start(RUN)
    window.says("Which experiment?")
    answer(window, "churn")
    assert window.ended(RUN, seconds=300) == 0


def answer(window: Workbench, text: str) -> None:
    """A line for the question in the terminal, which a click gives the keys."""
    window.command("Terminal: Focus Terminal")
    window.enter(text)


def test_error_in_a_job_file_is_a_problem_until_the_next_run(
    window: Workbench, demo: Workspace
) -> None:
    job = demo.read("src/line/azure-ml-job.yaml")
    demo.write("src/line/azure-ml-job.yaml", job.replace("inputs.epochs", "inputs.epoch"))
    window.open_file("src/line/train.py")
    window.start(RUN)
    assert window.ended(RUN) == 1
    (problem,) = window.problems()
    assert (problem.file, problem.severity) == ("src/line/azure-ml-job.yaml", "Error")
    assert (problem.line, problem.column) == (5, 35)
    demo.write("src/line/azure-ml-job.yaml", job)
    window.start(RUN)
    assert window.ended(RUN) == 0
    assert window.problems() == []


def test_traceback_is_a_problem_and_the_exit_code_passes(
    window: Workbench, demo: Workspace
) -> None:
    train = demo.read("src/line/train.py")
    demo.write("src/line/train.py", "def main():\n    raise ValueError('bad')\n\nmain()\n")
    window.open_file("src/line/train.py")
    window.start(RUN)
    assert window.ended(RUN) == 1
    wanted = Problem("src/line/train.py", "Error", "ValueError: bad", 2, 1)
    assert wanted in window.problems()
    demo.write("src/line/train.py", "raise SystemExit(7)\n")
    window.start(RUN)
    assert window.ended(RUN) == 7
    assert wanted not in window.problems()
    demo.write("src/line/train.py", train)


def test_failing_test_is_a_problem(window: Workbench, demo: Workspace) -> None:
    test = demo.read("src/line/tests/test_line.py")
    demo.write("src/line/tests/test_line.py", test.replace("== 2", "== 3"))
    window.open_file("src/line/tests/test_line.py")
    window.start(TEST)
    assert window.ended(TEST) == 1
    message = "test_it: assert (1 + 1) == 3"
    assert Problem("src/line/tests/test_line.py", "Error", message, 2, 1) in window.problems()
    demo.write("src/line/tests/test_line.py", test)
    window.start(TEST)
    assert window.ended(TEST) == 0
    assert window.problems() == []


def test_more_runs_a_command_of_the_menu(window: Workbench, demo: Workspace) -> None:
    job = demo.read("src/line/azure-ml-job.yaml")
    demo.write("src/line/azure-ml-job.yaml", job.replace("epochs: 8", "epochs: 5"))
    window.start(MORE)
    window.says("Which command?")
    window.enter("sync")
    assert window.ended(MORE) == 0
    assert '"5"' in demo.read(".vscode/launch.json")


def test_debug_and_stop_open_the_editors_own_lists(window: Workbench, demo: Workspace) -> None:
    window.start(DEBUG)
    wait_for(
        "the launch configurations", lambda: "line: train.py" in {a for a, _ in window.listed()}
    )
    window.press("Escape")
    train = demo.read("src/line/train.py")
    demo.write("src/line/train.py", "import time\nprint('awake', flush=True)\ntime.sleep(600)\n")
    window.open_file("src/line/train.py")
    window.start(RUN)
    window.says("awake")
    window.tasks()
    window.choose(STOP)
    window.pick("Select a task to terminate", RUN)
    wait_for("its end", lambda: (RUN, "running") not in window.terminals())
    demo.write("src/line/train.py", train)


def test_new_makes_an_experiment_and_share_gives_it_code(
    window: Workbench, demo: Workspace
) -> None:
    window.start(NEW)
    window.type("churn")
    assert window.ended(NEW) == 0
    assert demo.read(".devcontainer/churn/devcontainer.json")
    demo.write("src/common/plot.py", "")
    window.open_file("src/churn/train.py")
    window.start(SHARE)
    window.says("Which code of src/common")
    answer(window, "plot.py")
    assert window.ended(SHARE) == 0
    assert (demo.root / "src/churn/common/plot.py").is_symlink()


def test_format_formats(window: Workbench, demo: Workspace) -> None:
    demo.write("src/line/loose.py", "import sys\nimport os\nx = {  'a':1 }\n")
    window.start(FORMAT)
    assert window.ended(FORMAT, seconds=180) == 0
    assert demo.read("src/line/loose.py") == 'import os\nimport sys\n\nx = {"a": 1}\n'


def test_jupyter_is_up_when_the_task_is(window: Workbench, demo: Workspace) -> None:
    """With a stand-in of JupyterLab; tests/commands/test_jupyter.py has the real one."""
    demo.add("labs", "print(1)")
    demo.write("src/labs/jupyterlab.py", JUPYTERLAB)
    window.open_file("src/labs/train.py")
    window.start(NOTEBOOK)
    window.says("is ready: http://127.0.0.1:", seconds=600)
    said = re.search(r"is ready: (http://127\.0\.0\.1:(\d+)/\S+)", window.text())
    assert said
    wait_for("the task is up", lambda: (NOTEBOOK, "done") in window.terminals())
    with urllib.request.urlopen(said[1], timeout=10) as page:
        assert "JupyterLab" in page.read().decode()
    window.press("Escape")  # whether the browser may open it
    window.command("Terminal: Kill All Terminals")
    wait_for("the port is free again", lambda: is_free(int(said[2])))


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def test_keys_take_the_open_files_experiment(window: Workbench, demo: Workspace) -> None:
    window.open_file("src/line/tests/test_line.py")
    window.command("Terminal: Kill All Terminals")
    window.press("Control+Shift+B")
    assert window.ended(RUN) == 0
    window.says("trained")
    window.command("Tasks: Run Test Task")
    assert window.ended(TEST) == 0
    window.says("1 passed")
    window.open_file("src/line/train.py")
    window.start(RUN_FILE)
    assert window.ended(RUN_FILE) == 0


def test_loop_is_on_the_path_of_a_terminal(window: Workbench) -> None:
    window.command("Terminal: Kill All Terminals")
    window.command("Terminal: Create New Terminal")
    window.page.locator(".terminal-wrapper.active .xterm-rows").wait_for()
    window.enter("loop --version; type test")
    window.says("innerloop 0.")
    window.says("test is a shell builtin")
