"""From an empty workspace to a compared pair of runs, with the extension, counted in presses.

A press is a click, a key that is not part of a word, or a word that is typed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.editor import debugger_extension
from tests.editor.conftest import locked, seen_on_failure
from tests.editor.workbench import PATIENCE, Workbench, program, serving, wait_for
from tests.support import Workspace, make_workspace
from tools import vsix

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = [pytest.mark.editor, pytest.mark.nightly]

# 30 when it was written; the first edition of the tool needed 45.
MOST_PRESSES = 32


class Hands:
    """What a person does, counted, with the seconds of each step."""

    def __init__(self, window: Workbench) -> None:
        self.window = window
        self.presses = 0
        self.steps: list[tuple[str, int, float]] = []
        self._since = (0, time.monotonic())

    def click(self, target: Locator) -> None:
        target.click()
        self.presses += 1

    def key(self, keys: str) -> None:
        self.window.press(keys)
        self.presses += 1

    def type(self, word: str) -> None:
        self.window.page.keyboard.type(word)
        self.presses += 1

    def command(self, title: str) -> None:
        """F1, the title, Enter."""
        self.window.command(title)
        self.presses += 3

    def open(self, path: str) -> None:
        """Control+P, the name, Enter."""
        self.window.open_file(path)
        self.presses += 3

    def reached(self, step: str) -> None:
        presses, start = self._since
        self.steps.append((step, self.presses - presses, time.monotonic() - start))
        self._since = (self.presses, time.monotonic())


@pytest.fixture
def tiny(tmp_path: Path, _tool: None) -> Workspace:
    """A workspace with the experiment of `innerloop init --example tiny`."""
    workspace = make_workspace(tmp_path / "first")
    assert workspace.loop("new", "line").code == 0
    workspace.write("src/line/environment/requirements-dev.txt", locked("pytest"))
    return workspace


@pytest.fixture
def window(
    browser: Browser, tiny: Workspace, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Workbench]:
    home = tmp_path / "home"
    debugger_extension.install(home / "extensions")
    (home / "innerloop.vsix").write_bytes(vsix.content())
    options = [f"--extensions-dir={home}/extensions", f"--user-data-dir={home}/installer"]
    install = [*program(), *options, "--install-extension", str(home / "innerloop.vsix")]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)
    with serving(home) as server:
        window = Workbench(browser, server, str(tiny.root))
        with seen_on_failure(request, [window]):
            yield window
        window.close()


def test_first_hour_takes_few_presses_and_has_no_dead_end(
    window: Workbench, tiny: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    page, hands = window.page, Hands(window)
    rows = page.locator(".pane-body .monaco-list-row")
    experiment = rows.filter(has_text="line").first

    def runs() -> Locator:
        return rows.filter(has_text="done · ")

    hands.click(page.locator(".activitybar .action-label[aria-label^='Experiments']"))
    experiment.hover()
    hands.click(experiment.locator(".action-label[aria-label^='Run']"))
    wait_for("the first run", lambda: runs().count() == 1, 600)
    hands.reached("first run")

    hands.open("train.py")
    hands.key("Control+g")
    hands.type("26")  # after the : that is there
    hands.key("Enter")
    hands.key("F9")
    page.locator(".glyph-margin-widgets .codicon-debug-breakpoint").first.wait_for()
    hands.key("F5")
    page.locator(".debug-top-stack-frame-line").first.wait_for(timeout=600_000)
    page.locator(".debug-call-stack .monaco-list-row", has_text="fit").first.wait_for()
    hands.key("Shift+F5")
    page.locator(".debug-top-stack-frame-line").first.wait_for(state="hidden")
    hands.reached("breakpoint")

    hands.click(page.locator(".activitybar .action-label[aria-label^='Testing']"))
    tests = page.locator(".test-explorer .monaco-list-row")
    tests.filter(has_text="line").first.hover()
    run_tests = tests.filter(has_text="line").first.locator(".action-label[aria-label^='Run Test']")
    hands.click(run_tests)
    passed = page.locator(".test-explorer .codicon-testing-passed-icon")
    passed.first.wait_for(timeout=600_000)
    hands.reached("test")

    hands.command("Experiment: Add a Package...")
    window.field.wait_for()
    hands.type("iniconfig")
    hands.key("Enter")
    requirements = tiny.root / "src/line" / "environment" / "requirements.txt"
    wait_for("the package", lambda: "iniconfig" in requirements.read_text(), 600)
    hands.reached("package")

    hands.open("azure-ml-job.yaml")
    job = tiny.root / "src/line" / "azure-ml-job.yaml"
    hands.key("Control+f")
    hands.type("steps: 200")
    hands.key("Escape")  # what was found is selected
    hands.type("steps: 400")
    hands.key("Control+s")
    wait_for("the saved job", lambda: "steps: 400" in job.read_text())
    hands.click(page.locator(".codelens-decoration a", has_text="Run").first)
    wait_for("the second run", lambda: len([*(tiny.root / "outputs/line").iterdir()]) >= 2, 600)
    hands.command("Experiment: Runs and Their Curves")
    frame = page.frame_locator("iframe.webview.ready").frame_locator("iframe")
    frame.get_by_text("400").first.wait_for(timeout=600_000)
    hands.reached("comparison")

    with capsys.disabled():
        for step, presses, seconds in hands.steps:
            print(f"{step:<12} {presses:3} presses {seconds:6.1f} s")
    assert hands.presses <= MOST_PRESSES
