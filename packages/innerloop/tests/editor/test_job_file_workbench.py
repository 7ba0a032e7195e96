"""A job file that is typed in VS Code: problems, a quick fix, completion, and what can be run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from innerloop.scaffold.workspace_template import EXTENSION
from tests.editor.conftest import JOB, TRAIN, Picture
from tests.editor.workbench import Workbench, serving, wait_for
from tests.support import ROOT, Workspace, make_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.editor, pytest.mark.nightly]

FILE = "src/tiny/azure-ml-job.yaml"


@pytest.fixture
def tiny(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("typed") / "work space")
    workspace.add("tiny", TRAIN, job=JOB)
    return workspace


@pytest.fixture
def window(
    browser: Browser, tiny: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workbench]:
    home = tmp_path_factory.mktemp("typing")
    shutil.copytree(ROOT / EXTENSION, home / "extensions" / "innerloop.innerloop-0.0.0")
    with serving(home) as server:
        window = Workbench(browser, server, str(tiny.root))
        yield window
        window.close()


def lines(window: Workbench) -> str:
    rows = window.page.locator(".editor-instance .view-line").all_text_contents()
    return "\n".join(rows).replace("\xa0", " ")


def test_a_mistake_is_seen_and_mended_while_it_is_typed(
    window: Workbench, picture: Picture
) -> None:
    page = window.page
    window.open_file(FILE)
    lenses = page.locator(".codelens-decoration a")
    wait_for("the lenses", lambda: lenses.count() == 4)
    assert lenses.all_text_contents() == ["Run", "Debug", "Submit", "Runs"]
    window.press("Control+1")
    window.press("Control+End")
    page.keyboard.type("comput: azureml:c")
    wait_for("the underlined key", lambda: page.locator(".squiggly-warning").count() > 0)
    wait_for("the problem", lambda: any('"comput"' in one.message for one in window.problems()))
    line = page.locator(".editor-instance .view-line", has_text="comput").first
    line.click(position={"x": 20, "y": 5})
    window.press("Control+.")
    page.locator(".action-widget").get_by_text("Replace it with compute").wait_for()
    picture(window, "mistake")
    window.press("Enter")
    wait_for("the mended key", lambda: "compute: azureml:c" in lines(window))
    wait_for("no problem", lambda: not any('"comput"' in one.message for one in window.problems()))
    picture(window, "fixed")
    window.press("Control+1")
    window.press("Control+End")
    page.keyboard.type("\nenv")
    window.press("Control+Space")
    row = page.locator(".suggest-widget .monaco-list-row", has_text="environment_variables")
    row.first.wait_for()
