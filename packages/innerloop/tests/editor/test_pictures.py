"""The pictures of README, taken where what they show has just happened, so that they stay true.

    INNERLOOP_SCREENSHOTS=packages/innerloop/docs/vscode scripts/test packages/innerloop/tests/editor/test_pictures.py

writes them there; without it they are taken all the same, and thrown away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from innerloop.sync.render import vscode_tasks
from tests.editor.conftest import GIVEN, Opener, Picture, locked
from tests.support import Workspace, clone

pytestmark = pytest.mark.editor

# What a person adds to the template's train.py to see a curve.
LOG = """def log(step, data, slope, intercept):
    loss = sum((slope * x + intercept - y) ** 2 for x, y in data) / len(data)
    with open("outputs/metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": step, "loss": loss}) + "\\n")


"""


@pytest.fixture
def cloned(tmp_path: Path, _tool: None) -> Iterator[Workspace]:
    """This workspace as git has it, with an experiment `churn` more.

    For pictures that are kept, at a path that is pleasant to read.
    """
    parent = Path(tempfile.mkdtemp(prefix="me-")) if GIVEN else tmp_path
    workspace = clone(parent / "innerloop")
    assert workspace.loop("new", "churn").code == 0
    workspace.write("src/churn/environment/requirements-dev.txt", locked("pytest"))
    yield workspace
    if GIVEN:
        shutil.rmtree(parent)


def test_pictures_of_a_day(cloned: Workspace, opened: Opener, picture: Picture) -> None:
    window = opened(cloned.root)
    window.open_file("src/digit_recognition/train.py")
    window.tasks()
    window.rows.filter(has_text=vscode_tasks.COMPARE).first.wait_for()
    picture(window, "palette", height=420)
    window.press("Escape")

    # Only for a picture that is kept is it worth a minute to show a run that takes one.
    window.open_file(f"src/{'digit_recognition_svm' if GIVEN else 'churn'}/train.py")
    window.start(vscode_tasks.RUN)
    assert window.ended(vscode_tasks.RUN, seconds=300) == 0
    window.says("outputs are in outputs/")
    picture(window, "run")

    job = cloned.read("src/churn/azure-ml-job.yaml")
    cloned.write(
        "src/churn/azure-ml-job.yaml", job.replace("${{inputs.steps}}", "${{inputs.step}}")
    )
    test = cloned.read("src/churn/tests/test_train.py")
    cloned.write("src/churn/tests/test_train.py", test.replace("- 3)", "- 4)"))
    window.open_file("src/churn/tests/test_train.py")
    window.start(vscode_tasks.RUN)
    assert window.ended(vscode_tasks.RUN) == 1
    window.command("Tasks: Run Test Task")
    assert window.ended(vscode_tasks.TEST) == 1
    files = [problem.file for problem in window.problems()]
    assert {"src/churn/azure-ml-job.yaml", "src/churn/tests/test_train.py"} <= set(files)
    picture(window, "problems")

    cloned.write("src/churn/azure-ml-job.yaml", job)
    cloned.write("src/churn/tests/test_train.py", test)
    window.open_file("src/churn/train.py")
    window.break_at(29)
    window.command("Terminal: Kill All Terminals")
    window.command("View: Show Run and Debug")
    # Nothing was chosen yet: F5 takes the open file's experiment.
    chosen = window.page.locator(".start-debug-action-item-label")
    assert chosen.inner_text() == "this experiment"
    window.press("F5")
    window.page.locator(".debug-top-stack-frame-line").first.wait_for()
    window.page.locator(".debug-variables .monaco-list-row", has_text="learning_rate").wait_for()
    picture(window, "debug")
    window.press("Shift+F5")


def test_a_picture_of_the_runs(cloned: Workspace, opened: Opener, picture: Picture) -> None:
    train = cloned.read("src/churn/train.py")
    curve = "    for step in range(steps):\n        log(step, data, slope, intercept)\n"
    logged = train.replace("    for _ in range(steps):\n", curve)
    assert logged != train
    cloned.write("src/churn/train.py", logged.replace("def fit(", LOG + "def fit("))
    for rate in (0.02, 0.05, 0.1):
        words = ("--set", f"inputs.learning_rate={rate}", "--backend", "venv")
        assert cloned.loop("run", "churn", *words).code == 0
    window = opened(cloned.root)
    assert cloned.loop("runs", "--page").code == 0
    window.page.goto((cloned.root / "outputs" / "runs.html").as_uri())
    window.page.locator("figure svg").first.wait_for()
    window.page.set_viewport_size({"width": 1280, "height": 720})
    picture(window, "runs", height=720, rest=(1270, 10))
    page_works(window.page)


def page_works(page: Page) -> None:
    """What README says of the page: one run's lines alone, hidden lines, sorted rows."""

    def rates() -> list[str]:
        names = page.locator("#runs th").all_inner_texts()
        at = names.index("learning rate") + 1
        return page.locator(f"#runs tbody td:nth-child({at})").all_inner_texts()

    row = page.locator("#runs tbody tr").nth(1)
    row.hover()
    chosen = page.locator(".one .run.chosen").first
    assert chosen.get_attribute("data-run") == row.get_attribute("data-run")
    page.locator("th", has_text="learning rate").locator("button").click()
    assert rates() == ["0.02", "0.05", "0.1"]
    page.locator("th", has_text="learning rate").locator("button").click()
    assert rates() == ["0.1", "0.05", "0.02"]
    page.locator("#all").uncheck()
    assert page.locator("polyline:visible").count() == 0
    page.locator("#runs tbody input").first.check()
    assert page.locator("polyline:visible").count() >= 1
    assert page.locator(".run").count() == page.locator("figure").count()
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
