"""The workspace's own extension in VS Code: its view, a run that goes on, its page, its tests."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.editor.conftest import fill
from tests.editor.workbench import PATIENCE, Workbench, program, serving, wait_for
from tests.support import Workspace, make_workspace
from tools import vsix

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.editor

# Writes a score, then waits for a file: what is seen meanwhile does not depend on time.
TRAIN = """import json, os, time

os.makedirs("outputs", exist_ok=True)


def write(step, accuracy):
    with open("outputs/metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": step, "accuracy": accuracy}) + "\\n")


write(1, 0.25)
print("first step", flush=True)
go_on = os.environ["GO_ON"]
while not os.path.exists(go_on):
    time.sleep(0.05)
write(2, 0.75)
print("second step", flush=True)
while True:
    time.sleep(0.05)
"""


# The row of a run: its state, then its score and time.
RUN = r"^\w+ · "


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Workspace:
    """A workspace with an experiment that runs until it is stopped, and one with a test."""
    workspace = make_workspace(tmp_path_factory.mktemp("extension") / "work space")
    fill(workspace)
    go_on = workspace.root.parent / "go on"
    workspace.add("slow", TRAIN.replace('os.environ["GO_ON"]', repr(str(go_on))))
    assert workspace.loop("sync").code == 0
    return workspace


@pytest.fixture(scope="module")
def window(
    browser: Browser, going: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workbench]:
    """On that workspace, with the extension, in a server of its own."""
    home = tmp_path_factory.mktemp("extended")
    (home / "innerloop.vsix").write_bytes(vsix.content())
    options = [f"--extensions-dir={home}/extensions", f"--user-data-dir={home}/installer"]
    install = [*program(), *options, "--install-extension", str(home / "innerloop.vsix")]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)
    with serving(home) as server:
        window = Workbench(browser, server, str(going.root))
        yield window
        window.close()


def row(window: Workbench, text: str) -> Locator:
    """A row of the view of experiments."""
    rows = window.page.locator(".pane-body .monaco-list-row")
    return rows.filter(has=window.page.locator(".label-name", has_text=re.compile(text))).first


def act(window: Workbench, text: str, action: str) -> None:
    """An action that a row shows while the pointer rests on it."""
    row(window, text).hover()
    row(window, text).locator(f".action-label[aria-label^='{action}']").click()


def status(window: Workbench, text: str) -> Locator:
    return window.page.locator(".statusbar-item", has_text=text).first


def test_run_from_the_view_is_live_and_stops(window: Workbench, going: Workspace) -> None:
    window.page.locator(".activitybar .action-label[aria-label^='Experiments']").click()
    for name in ("line", "shop/churn", "slow"):
        row(window, f"^{name}$").wait_for()
    act(window, "^slow$", "Run")
    running = row(window, RUN)
    running.wait_for()
    wait_for("the first score", lambda: "accuracy 0.25" in running.inner_text())
    status(window, "slow accuracy 0.25").wait_for()
    running.click()
    lines = window.page.locator(".editor-instance .view-lines")
    lines.get_by_text("first step").wait_for()
    (going.root.parent / "go on").touch()
    wait_for("the next score", lambda: "accuracy 0.75" in running.inner_text())
    lines.get_by_text("second step").wait_for()
    act(window, RUN, "Stop")
    wait_for("its end", lambda: "stopped" in running.inner_text())
    status(window, "slow accuracy").wait_for(state="hidden")
    assert (going.outputs("slow") / ".run/run.json").is_file()


def test_page_of_runs_shows_the_curves_in_a_tab(window: Workbench) -> None:
    window.command("Experiment: Runs and Their Curves")
    frame = window.page.frame_locator("iframe.webview.ready").frame_locator("iframe")
    frame.locator("svg[aria-label=accuracy] polyline").first.wait_for()
    box = frame.locator("tbody input").first
    box.uncheck()
    shown = frame.locator("svg[aria-label=accuracy] .run").first
    wait_for("the page's script", lambda: not shown.is_visible())


def test_tests_are_listed_and_run_in_the_testing_panel(window: Workbench) -> None:
    window.command("Testing: Focus on Test Explorer View")
    tests = window.page.locator(".test-explorer .monaco-list-row")
    line = tests.filter(has_text=re.compile(r"^line"))
    line.first.click()
    window.press("ArrowRight")
    tests.filter(has_text="test_it").first.wait_for()
    line.first.hover()
    line.first.locator(".action-label[aria-label^='Run Test']").click()
    passed = tests.filter(has_text="test_it").locator(".codicon-testing-passed-icon")
    passed.first.wait_for()
