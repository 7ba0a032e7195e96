"""One server and one browser for all tests of the editor, and a small workspace to open."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.editor import debugger_extension
from tests.editor.dap import Editor
from tests.support import ROOT, Workspace, make_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.editor.workbench import Server, Workbench

TRAIN = """import os
import sys

os.makedirs("outputs", exist_ok=True)
with open("outputs/arguments.txt", "w") as file:
    file.write(" ".join(sys.argv[1:]))
print("trained", *sys.argv[1:])
"""
JOB = """command: python train.py --epochs ${{inputs.epochs}}
inputs:
  epochs: 8
"""
Opener = Callable[..., "Workbench"]
Picture = Callable[..., None]
# Where pictures are kept, from the root of the repository; "" for nowhere.
GIVEN = os.environ.get("INNERLOOP_SCREENSHOTS", "")
# The height of a window's picture, in pixels.
HEIGHT = 800


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Iterator[Server]:
    from tests.editor.workbench import serving

    home = tmp_path_factory.mktemp("code-server")
    debugger_extension.install(home / "extensions")
    with serving(home) as made:
        yield made


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    from tests.editor.workbench import CHROMIUM

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(CHROMIUM)
        )
        yield made
        made.close()


@pytest.fixture(scope="package")
def window_of_demo(browser: Browser, server: Server, demo: Workspace) -> Iterator[Workbench]:
    from tests.editor.workbench import Workbench

    made = Workbench(browser, server, str(demo.root))
    yield made
    made.close()


@pytest.fixture
def window(
    window_of_demo: Workbench, demo: Workspace, request: pytest.FixtureRequest
) -> Iterator[Workbench]:
    """On the demo; the same for every test: what one leaves open at its end is closed.

    The code of a test that fails is put back, so that it alone fails.
    """
    window_of_demo.press("Escape")
    window_of_demo.press("Escape")
    code = {path: path.read_bytes() for path in (demo.root / "src/line").rglob("*.py")}
    failed = request.session.testsfailed
    with seen_on_failure(request, [window_of_demo]):
        yield window_of_demo
    if request.session.testsfailed > failed:
        for path, text in code.items():
            path.write_bytes(text)


@pytest.fixture
def opened(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens a folder in a window of its own."""
    from tests.editor.workbench import Workbench

    windows: list[Workbench] = []

    def open_folder(folder: Path | str, at: Server | None = None) -> Workbench:
        windows.append(Workbench(browser, at or server, str(folder)))
        return windows[-1]

    with seen_on_failure(request, windows):
        yield open_folder
    for window in windows:
        window.close()


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    folder = ROOT / GIVEN if GIVEN else tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    def take(
        window: Workbench, name: str, height: int = HEIGHT, rest: tuple[int, int] = (1100, 700)
    ) -> None:
        window.page.mouse.move(*rest)  # where nothing is highlighted or explained
        window.page.locator(".monaco-hover:visible").first.wait_for(state="hidden")
        path = folder / f"{name}.png"
        window.page.screenshot(
            path=path,
            animations="disabled",
            caret="hide",
            clip={"x": 0, "y": 0, "width": 1280, "height": height},
        )
        assert path.stat().st_size > 20_000  # an empty window has less

    return take


@contextmanager
def seen_on_failure(request: pytest.FixtureRequest, windows: list[Workbench]) -> Iterator[None]:
    """Where a test fails, what was to be seen then is kept beside pytest's cache, and printed."""
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before:
        for number, window in enumerate(windows):
            name = f"editor-{request.node.name}-{number}.png"
            window.page.screenshot(path=request.config.rootpath / ".pytest_cache" / name)
            print(f"window {number} shows:", window.seen(), sep="\n")


@pytest.fixture
def editors() -> Iterator[list[Editor]]:
    """Those that a test opened to debug, to be closed after it."""
    made: list[Editor] = []
    yield made
    for editor in made:
        editor.close()


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Workspace:
    """Two experiments, one of them in a domain's folder, and pytest for the first."""
    workspace = make_workspace(tmp_path_factory.mktemp("editor") / "work space")
    fill(workspace)
    assert workspace.loop("sync").code == 0
    return workspace


def fill(workspace: Workspace) -> None:
    workspace.add("line", TRAIN, job=JOB)
    workspace.write("src/line/environment/requirements-dev.txt", locked("pytest"))
    workspace.write(
        "src/line/tests/test_line.py", "def test_it() -> None:\n    assert 1 + 1 == 2\n"
    )
    workspace.add("shop/churn", TRAIN)


def locked(*names: str) -> str:
    """The lines of the tests' own lock for these packages and what they need."""
    text = (ROOT / "packages/innerloop/requirements-test.txt").read_text()
    blocks = {block.split("==")[0]: block for block in re.split(r"\n(?=[a-z])", text)}
    wanted = {
        name
        for name, block in blocks.items()
        if name in names
        or any(re.search(rf"#\s+(via )?{one}$", block, re.MULTILINE) for one in names)
    }
    return "\n".join(blocks[name] for name in sorted(wanted)) + "\n"
