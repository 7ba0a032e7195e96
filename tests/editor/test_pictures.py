"""The pictures of README, taken where what they show has just happened, so that they stay true.

    INNERLOOP_SCREENSHOTS=docs/vscode scripts/test tests/editor/test_pictures.py

writes them there; without it they are taken all the same, and thrown away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.editor.conftest import Opener, locked
from tests.editor.workbench import Workbench
from tests.support import ROOT, Workspace, clone

pytestmark = pytest.mark.editor

Picture = Callable[[Workbench, str], None]


GIVEN = os.environ.get("INNERLOOP_SCREENSHOTS", "")


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    folder = ROOT / GIVEN if GIVEN else tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    def take(window: Workbench, name: str) -> None:
        window.page.screenshot(path=folder / f"{name}.png", animations="disabled", caret="hide")
        assert (folder / f"{name}.png").stat().st_size > 20_000  # an empty window has less

    return take


@pytest.fixture
def cloned(tmp_path: Path, _tool: None) -> Iterator[Workspace]:
    """This workspace as git has it, with an experiment `churn` more; for pictures that are kept,
    at a path that is pleasant to read."""
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
    picture(window, "palette")
    window.press("Escape")

    window.start("run")
    assert "digit_recognition" in window.asked("Which experiment?")
    picture(window, "experiments")
    # Only for a picture that is kept is it worth a minute to show a run that takes one.
    window.choose("digit_recognition_svm" if GIVEN else "churn")
    assert window.ended("run", seconds=300) == 0
    window.says("outputs are in outputs/")
    picture(window, "run")

    job = cloned.read("src/churn/azure-ml-job.yaml")
    cloned.write(
        "src/churn/azure-ml-job.yaml", job.replace("${{inputs.steps}}", "${{inputs.step}}")
    )
    test = cloned.read("src/churn/tests/test_train.py")
    cloned.write("src/churn/tests/test_train.py", test.replace("- 3)", "- 4)"))
    window.open_file("src/churn/tests/test_train.py")
    window.start("check")
    assert window.ended("check") == 1
    window.command("Tasks: Run Test Task")
    assert window.ended("test this experiment") == 1
    files = [problem.file for problem in window.problems()]
    assert {"src/churn/azure-ml-job.yaml", "src/churn/tests/test_train.py"} <= set(files)
    picture(window, "problems")

    window.open_file(".vscode/launch.json")
    window.command("View: Toggle Panel Visibility")
    window.command("View: Show Run and Debug")
    picture(window, "debug")
