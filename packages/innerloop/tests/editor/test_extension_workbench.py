"""The workspace's own extension in VS Code: its view, a run that goes on, its page, its tests, renames.

Each test makes what it needs by itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error

from tests.editor import debugger_extension
from tests.editor.conftest import GIVEN, Picture, fill, seen_on_failure
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
CURVE = """import json, os

os.makedirs("outputs", exist_ok=True)
with open("outputs/metrics.jsonl", "w") as file:
    for step in range(3):
        file.write(json.dumps({"step": step, "loss": 1 / (step + 1)}) + "\\n")
"""
OTHER = """def test_first() -> None:
    open("first ran", "w").close()


def test_second() -> None:
    x = 1
    assert x == 1
"""
PIPELINE = """type: pipeline
settings: {default_compute: azureml:cpu}
jobs:
  fit:
    command: python train.py --model ${{outputs.model}}
    code: .
    environment: {build: {path: ./environment}}
    outputs: {model: {}}
  score:
    command: python train.py --score ${{inputs.model}}
    code: .
    environment: {build: {path: ./environment}}
    inputs: {model: "${{parent.jobs.fit.outputs.model}}"}
"""


# The row of a run: its state, then its score and time.
RUN = r"^\w+ · "
# Seconds after which what a press does at once counts as not pressed: the machine may be slow.
PRESSED = 40.0


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Iterator[Workspace]:
    """A workspace with an experiment that runs until it is stopped, and one with a test.

    For pictures that are kept, at a path that is pleasant to read.
    """
    made = tempfile.mkdtemp(prefix="me-") if GIVEN else tmp_path_factory.mktemp("extension")
    workspace = make_workspace(Path(made) / "work space")
    fill(workspace)
    go_on = workspace.root.parent / "go on"
    workspace.add("slow", TRAIN.replace('os.environ["GO_ON"]', repr(str(go_on))))
    assert workspace.loop("sync").code == 0
    yield workspace
    if GIVEN:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def window_of_all(
    browser: Browser, going: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workbench]:
    """On that workspace, with the extension, in a server of its own."""
    home = tmp_path_factory.mktemp("extended")
    debugger_extension.install(home / "extensions")
    (home / "innerloop.vsix").write_bytes(vsix.content())
    options = [f"--extensions-dir={home}/extensions", f"--user-data-dir={home}/installer"]
    install = [*program(), *options, "--install-extension", str(home / "innerloop.vsix")]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)
    with serving(home) as server:
        window = Workbench(browser, server, str(going.root))
        yield window
        window.close()


@pytest.fixture
def window(window_of_all: Workbench, request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """The same for every test; what it shows is printed where one fails."""
    window_of_all.press("Escape")
    window_of_all.press("Escape")
    with seen_on_failure(request, [window_of_all]):
        yield window_of_all


def experiments(window: Workbench) -> None:
    """Shows the view of experiments."""

    def shown() -> bool:
        if row(window, "^slow$").is_visible():
            return True
        try:
            window.page.locator(".activitybar .action-label[aria-label^='Experiments']").click()
            row(window, "^slow$").wait_for(timeout=PRESSED * 1000)
        except Error:
            return False
        return True

    wait_for("the experiments", shown)


def row(window: Workbench, text: str) -> Locator:
    """A row of the view of experiments."""
    rows = window.page.locator(".pane-body .monaco-list-row")
    return rows.filter(has=window.page.locator(".label-name", has_text=re.compile(text))).first


def act(window: Workbench, text: str, action: str, has_begun: Callable[[], bool]) -> None:
    """An action that a row shows while the pointer rests on it, until it has begun.

    A press while the row is drawn again is lost, so a person presses twice.
    """

    def pressed() -> bool:
        if has_begun():
            return True
        try:
            row(window, text).hover(timeout=5000)
            button = row(window, text).locator(f".action-label[aria-label^='{action}']")
            button.click(timeout=5000)
            wait_for(action, has_begun, seconds=PRESSED)
        except (Error, AssertionError):
            return False
        return True

    wait_for(f"{action} of {text}", pressed)


def status(window: Workbench, text: str) -> Locator:
    return window.page.locator(".statusbar-item", has_text=text).first


def test_run_from_the_view_is_live_and_stops(
    window: Workbench, going: Workspace, picture: Picture
) -> None:
    experiments(window)
    for name in ("line", "shop/churn", "slow"):
        row(window, f"^{name}$").wait_for()
    running = row(window, r"^running · ")

    def has_begun() -> bool:
        return "starting..." in row(window, "^slow$").inner_text() or running.is_visible()

    act(window, "^slow$", "Run", has_begun)
    running.wait_for(timeout=600_000)  # its environment is made
    wait_for("the first score", lambda: "accuracy 0.25" in running.inner_text())
    status(window, "slow accuracy 0.25").wait_for()
    other = None
    if GIVEN:  # only for a picture that is kept is it worth a second run
        going.add("wide", going.read("src/slow/train.py"))
        other = going.start("run", "wide", "--backend", "venv")
        status(window, "and 1 more").wait_for()
    running.click()
    lines = window.page.locator(".editor-instance .view-lines")
    lines.get_by_text("first step").wait_for()
    picture(window, "view")
    if other is not None:
        other.interrupt_group()
        other.end()
        status(window, "slow accuracy 0.25").wait_for()
    (going.root.parent / "go on").touch()
    wait_for("the next score", lambda: "accuracy 0.75" in running.inner_text())
    lines.get_by_text("second step").wait_for()
    stopped = window.page.locator(".pane-body .label-name", has_text=re.compile(r"^stopped · "))
    before = stopped.count()
    act(window, r"^running · ", "Stop", lambda: stopped.count() > before)
    status(window, "slow accuracy").wait_for(state="hidden")
    assert (going.outputs("slow") / ".run/run.json").is_file()


def test_page_of_runs_shows_the_curves_in_a_tab(window: Workbench, going: Workspace) -> None:
    going.add("curve", CURVE)
    assert going.loop("run", "curve", "--backend", "venv").code == 0
    window.command("Experiment: Runs and Their Curves")
    frame = window.page.frame_locator("iframe.webview.ready").frame_locator("iframe")
    frame.locator("svg[aria-label=loss] polyline").first.wait_for()
    # The page is replaced when a run has changed: then once more.
    shown = frame.locator("svg[aria-label=loss] .run").first

    def is_hidden() -> bool:
        try:
            frame.locator("#all").uncheck(timeout=5000)
        except Error:
            return False
        return not shown.is_visible()

    wait_for("the page's script", is_hidden)


def listed_tests(window: Workbench) -> Locator:
    """The rows of the Testing panel, with the tests of `line` shown."""
    window.command("Testing: Focus on Test Explorer View")
    tests = window.page.locator(".test-explorer .monaco-list-row")
    line = tests.filter(has_text=re.compile(r"^line"))

    def are_shown() -> bool:
        line.first.click()
        window.press("ArrowRight")
        try:
            tests.filter(has_text="test_it").first.wait_for(timeout=PRESSED * 1000)
        except Error:
            return False
        return True

    wait_for("the tests of line", are_shown)
    return tests


def press(rows: Locator, text: str, action: str) -> None:
    one = rows.filter(has_text=text).first
    one.hover()
    one.locator(f".action-label[aria-label^='{action}']").click()


def test_tests_are_listed_and_run_in_the_testing_panel(window: Workbench, picture: Picture) -> None:
    tests = listed_tests(window)
    press(tests, "line", "Run Test")
    passed = tests.filter(has_text="test_it").locator(".codicon-testing-passed-icon")
    passed.first.wait_for()
    picture(window, "testing")


def test_one_test_is_debugged_from_the_testing_panel(window: Workbench, going: Workspace) -> None:
    going.write("src/line/tests/test_other.py", OTHER)
    window.open_file("src/line/tests/test_other.py")
    window.break_at(6)
    window.command("Test: Refresh Tests")
    tests = listed_tests(window)
    tests.filter(has_text="test_second").first.wait_for()
    press(tests, "test_second", "Debug Test")
    window.page.locator(".debug-top-stack-frame-line").first.wait_for()
    window.press("F5")
    window.command("Terminal: Focus Terminal")
    window.says("1 passed")
    assert not (going.root / "src/line/first ran").exists()


def test_launch_configurations_are_those_of_the_job_files(
    window: Workbench, going: Workspace, picture: Picture
) -> None:
    going.add("steps", TRAIN)
    job = going.write("src/steps/azure-ml-job.yaml", PIPELINE)
    window.open_file(job.relative_to(going.root).as_posix())
    lenses = window.page.locator(".codelens-decoration a")
    lenses.get_by_text("Run fit").wait_for()
    picture(window, "lenses", height=420)
    window.command("Debug: Select and Start Debugging")
    window.field.fill("debug innerloop")
    window.rows.filter(has_text="innerloop...").first.click()
    window.rows.filter(has_text="steps: fit").first.wait_for()
    names = {label for label, _ in window.listed()}
    assert {"line", "shop/churn", "slow", "steps: fit"} <= names
    window.press("Escape")


def test_tabs_follow_a_renamed_experiment_with_their_cursors(
    window: Workbench, going: Workspace
) -> None:
    going.add("before", "\n".join(f"x{n} = {n}" for n in range(30)) + "\n")
    experiments(window)
    row(window, "^before$").wait_for()
    window.open_file("src/before/train.py")
    window.press("Control+1")
    window.press("Control+g")
    window.type(":17:3")
    asked = window.page.get_by_text("New name of before")

    def is_asked() -> bool:
        window.command("Experiment: Rename...")
        try:
            window.page.locator("input[placeholder='Which experiment?']").wait_for(timeout=20_000)
            window.field.fill("before")
            wait_for("one row", lambda: window.rows.count() == 1, seconds=20)
            window.press("Enter")
            asked.wait_for(timeout=20_000)
        except (Error, AssertionError):
            window.press("Escape")
            return False
        return True

    wait_for("the question for a name", is_asked)
    window.type("after")
    window.page.locator(".breadcrumbs-control", has_text="after").first.wait_for()
    status(window, "Ln 17, Col 3").wait_for()
    assert (going.root / "src/after/train.py").is_file()
    assert not (going.root / "src/before").exists()
