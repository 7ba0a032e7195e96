"""F5 in VS Code itself, by keys and eyes.

Breakpoint, hidden task, attach, stop, the end; and what a person sees when the run dies before it
listens.
"""

from __future__ import annotations

import json

import pytest

from tests.editor.f5 import JOB, open_file_port, own_port
from tests.editor.workbench import Workbench, wait_for
from tests.support import Workspace

pytestmark = pytest.mark.editor

TRAIN = """import sys

total = 0
for word in sys.argv[1:]:
    total += int(word)
print("total", total)
"""


@pytest.fixture(scope="package")
def shell(demo: Workspace) -> Workspace:
    """An experiment that is more than one program."""
    demo.add("line2", TRAIN, job='command: bash -c "python train.py 3 4; exit 7"\n')
    own_port(demo, "line2")
    open_file_port(demo)
    assert demo.loop("sync").code == 0
    return demo


def start(window: Workbench, name: str) -> None:
    window.command("Terminal: Kill All Terminals")
    window.command("Debug: Select and Start Debugging")
    window.field.fill(f"debug {name}")
    window.rows.filter(has_text=name).first.click()


def stopped_at(window: Workbench) -> str:
    """The number of the line that is marked as the one where it stopped."""
    window.page.locator(".debug-top-stack-frame-line").first.wait_for()
    return window.page.locator(".line-numbers.active-line-number").first.inner_text()


def over(window: Workbench) -> None:
    wait_for(
        "the end of debugging",
        lambda: not window.page.locator(".debug-toolbar:visible").count() or None,
    )


def test_f5_stops_in_a_command_of_several_words(window: Workbench, shell: Workspace) -> None:
    window.open_file("src/line2/train.py")
    window.break_at(6)
    start(window, JOB.replace("line", "line2"))
    assert stopped_at(window) == "6"
    window.press("F5")
    over(window)
    window.command("Terminal: Focus Terminal")
    window.says("total 7")
    window.says("the command ended with exit code 7")


def test_restart_and_stop_mean_the_whole_run(window: Workbench, shell: Workspace) -> None:
    """By their keys, while a process of the run is in front."""
    before = states(shell)
    window.open_file("src/line2/train.py")
    window.break_at(6)
    start(window, "this experiment")
    assert stopped_at(window) == "6"
    job = "src/line2/azure-ml-job.yaml"
    shell.write(job, shell.read(job).replace("train.py 3 4", "train.py 5 6"))
    window.press("Control+Shift+F5")
    wait_for("the end of the first run", lambda: states(shell) == ["running", "stopped", *before])
    # The second run is the one that is stopped and in front: its last word is shown.
    window.page.locator(".debug-variables").get_by_text("'6'").first.wait_for()
    assert stopped_at(window) == "6"
    _, arguments = shell.read(recorded(shell)[0]).split("python train.py ", 1)
    assert arguments.startswith("5 6")
    window.press("Shift+F5")
    over(window)
    wait_for("the end of the run", lambda: states(shell) == ["stopped", "stopped", *before])
    shell.write(job, shell.read(job).replace("train.py 5 6", "train.py 3 4"))


def recorded(workspace: Workspace) -> list[str]:
    """The records of the experiment's runs, the newest first."""
    paths = sorted(workspace.root.glob("outputs/line2/*/.run/run.json"), reverse=True)
    return [str(path.relative_to(workspace.root)) for path in paths]


def states(workspace: Workspace) -> list[str]:
    """How those runs ended, or "running"."""
    codes = [json.loads(workspace.read(path))["exit_code"] for path in recorded(workspace)]
    return ["running" if code is None else "stopped" if code == 143 else "" for code in codes]


def test_a_run_that_dies_before_is_an_error_and_a_problem(
    window: Workbench, shell: Workspace
) -> None:
    shell.write("src/line2/environment/requirements.txt", "nothing-of-this-name==0\n")
    start(window, JOB.replace("line", "line2"))
    dialog = window.page.locator(".monaco-dialog-box")
    dialog.wait_for()
    assert "ECONNREFUSED" in dialog.inner_text()
    window.press("Escape")
    assert [one.file for one in window.problems()] == ["src/line2/azure-ml-job.yaml"]
    shell.write("src/line2/environment/requirements.txt", "")
