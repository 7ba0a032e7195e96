"""The task palette as a person finds it in VS Code: what is listed, what each task does."""

from __future__ import annotations

import re
import socket
import urllib.request

import pytest

from innerloop.sync.render.vscode_tasks import TASKS
from tests.editor.workbench import Problem, Workbench, wait_for
from tests.support import Workspace

pytestmark = pytest.mark.editor


def experiments(workspace: Workspace) -> set[str]:
    """Those that are there now: another file's tests may have added some to the same window."""
    found = (workspace.root / "src").rglob("environment/Dockerfile")
    return {p.parents[1].relative_to(workspace.root / "src").as_posix() for p in found}


def test_the_palette_lists_exactly_our_tasks(window: Workbench) -> None:
    ours = sorted((task.label, task.detail) for task in TASKS if not task.hidden)
    assert sorted(window.palette()) == ours


def test_run_asks_for_the_experiment_and_runs_its_job(window: Workbench, demo: Workspace) -> None:
    window.start("run")
    assert window.asked("Which experiment?") == experiments(demo) >= {"line", "shop/churn"}
    window.choose("line")
    assert window.ended("run") == 0
    window.says("trained --epochs 8")
    assert (demo.outputs("line") / "arguments.txt").read_text() == "--epochs 8"


def test_run_with_options_shows_the_inputs_to_change(window: Workbench) -> None:
    window.start("run with options")
    window.pick("Which experiment?", "line")
    window.pick("Where?", "The first of these that is available")
    window.says("epochs  8")
    window.enter("epochs=2")
    window.says("epochs  2   (was 8)")
    window.enter("")
    assert window.ended("run with options") == 0
    window.says("trained --epochs 2")


def test_a_traceback_is_a_problem_and_the_exit_code_passes(
    window: Workbench, demo: Workspace
) -> None:
    demo.write("src/shop/churn/train.py", "def main():\n    raise ValueError('bad')\n\nmain()\n")
    window.start("run")
    window.pick("Which experiment?", "shop/churn")
    assert window.ended("run") == 1
    wanted = Problem("src/shop/churn/train.py", "Error", "ValueError: bad", 2, 1)
    assert wanted in window.problems()
    demo.write("src/shop/churn/train.py", "raise SystemExit(7)\n")
    window.start("run")
    window.pick("Which experiment?", "shop/churn")
    assert window.ended("run") == 7
    assert wanted not in window.problems()


def test_a_failing_test_is_a_problem(window: Workbench, demo: Workspace) -> None:
    window.start("test")
    window.pick("Which experiment?", "line")
    assert window.ended("test") == 0
    window.says("1 passed")
    test = demo.read("src/line/tests/test_line.py")
    demo.write("src/line/tests/test_line.py", test.replace("== 2", "== 3"))
    window.start("test")
    window.pick("Which experiment?", "line")
    assert window.ended("test") == 1
    message = "test_it: assert (1 + 1) == 3"
    assert Problem("src/line/tests/test_line.py", "Error", message, 2, 1) in window.problems()
    demo.write("src/line/tests/test_line.py", test)


def test_what_check_finds_is_a_problem(window: Workbench, demo: Workspace) -> None:
    job = demo.read("src/line/azure-ml-job.yaml")
    demo.write("src/line/azure-ml-job.yaml", job.replace("inputs.epochs", "inputs.epoch"))
    window.start("check")
    assert window.ended("check") == 1
    found = [one for one in window.problems() if one.file == "src/line/azure-ml-job.yaml"]
    assert [one.severity for one in found] == ["Error", "Info"]
    assert 'Did you mean "epochs"?' in found[0].message
    assert (found[0].line, found[0].column) == (5, 35)
    demo.write("src/line/azure-ml-job.yaml", job)
    window.start("check")
    assert window.ended("check") == 0
    assert not [one for one in window.problems() if one.file == "src/line/azure-ml-job.yaml"]


def test_sync_brings_the_files_in_line(window: Workbench, demo: Workspace) -> None:
    job = demo.read("src/line/azure-ml-job.yaml")
    demo.write("src/line/azure-ml-job.yaml", job.replace("epochs: 8", "epochs: 5"))
    window.start("sync")
    assert window.ended("sync") == 0
    assert '"5"' in demo.read(".vscode/launch.json")


def test_new_makes_an_experiment_that_is_in_the_lists_at_once(
    window: Workbench, demo: Workspace
) -> None:
    window.start("new")
    window.type("churn")
    assert window.ended("new") == 0
    assert demo.read(".devcontainer/churn/devcontainer.json")
    window.start("build")
    assert window.asked("Which experiment?") == experiments(demo) >= {"churn", "line"}
    window.press("Escape")
    window.start("new")
    window.type("churn")
    assert window.ended("new") == 1
    window.says("something with this name exists")


def test_format_formats(window: Workbench, demo: Workspace) -> None:
    demo.write("src/line/loose.py", "import sys\nimport os\nx = {  'a':1 }\n")
    window.start("format")
    assert window.ended("format", seconds=180) == 0
    assert demo.read("src/line/loose.py") == 'import os\nimport sys\n\nx = {"a": 1}\n'


@pytest.mark.network
@pytest.mark.slow
def test_jupyter_is_up_when_the_task_is(window: Workbench, demo: Workspace) -> None:
    window.start("jupyter")
    window.pick("Which experiment?", "churn")
    said = wait_for(
        "JupyterLab's address",
        lambda: re.search(r"is ready: (http://127\.0\.0\.1:(\d+)/\S+)", window.text()),
        seconds=300,
    )
    wait_for("the task is up", lambda: ("jupyter", "done") in window.terminals())
    with urllib.request.urlopen(said[1], timeout=10) as page:
        assert "JupyterLab" in page.read().decode()
    window.press("Escape")  # whether the browser may open it
    window.command("Terminal: Kill All Terminals")
    wait_for("the port is free again", lambda: is_free(int(said[2])))


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def test_dependency_shares_common_code(window: Workbench, demo: Workspace) -> None:
    demo.write("src/common/tools/plot.py", "")
    window.start("share")
    window.pick("Which experiment?", "line")
    window.type("tools/plot.py")
    assert window.ended("share") == 0
    assert (demo.root / "src/line/common/tools/plot.py").is_symlink()


def test_list_and_doctor_and_help_and_runs_answer(window: Workbench) -> None:
    for task, said in (("list", "shop/churn"), ("help", "loop help COMMAND"), ("runs", "line")):
        window.start(task)
        assert window.ended(task) == 0
        window.says(said)


def test_the_keys_take_the_open_files_experiment(window: Workbench, demo: Workspace) -> None:
    window.open_file("pyproject.toml")
    window.press("Control+Shift+B")
    assert "line" in window.asked("Which experiment?")  # this file is in none
    window.press("Escape")
    window.open_file("src/line/tests/test_line.py")
    window.command("Terminal: Kill All Terminals")
    window.press("Control+Shift+B")
    assert window.ended("run this experiment") == 0
    window.says("trained")
    window.command("Tasks: Run Test Task")
    assert window.ended("test this experiment") == 0
    window.says("1 passed")
    window.open_file("src/line/train.py")
    window.start("run this file")
    assert window.ended("run this file") == 0


def test_loop_is_on_the_path_of_a_terminal(window: Workbench) -> None:
    window.command("Terminal: Kill All Terminals")
    window.command("Terminal: Create New Terminal")
    window.page.locator(".terminal-wrapper.active .xterm-rows").wait_for()
    window.enter("loop --version; type test")
    window.says("innerloop 0.")
    window.says("test is a shell builtin")
