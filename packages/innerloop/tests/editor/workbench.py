"""VS Code's own workbench in a real browser: code-server from npm, Debian's Chromium, playwright.

A person's hands and eyes: keys, the palette, lists and panels. Nothing is asked of VS Code by a
back door.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Error, Locator, Page

from tools import vsix

# Nothing leaves this machine, nothing is asked, nothing moves.
SETTINGS: dict[str, object] = {
    "chat.disableAIFeatures": True,
    "editor.accessibilitySupport": "off",
    "editor.cursorBlinking": "solid",
    "editor.minimap.enabled": False,
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "git.openRepositoryInParentFolders": "never",
    "remote.autoForwardPorts": False,
    "task.allowAutomaticTasks": "off",
    "telemetry.telemetryLevel": "off",
    "terminal.integrated.gpuAcceleration": "off",  # the terminal's text is then in the page
    "terminal.integrated.tabs.hideCondition": "never",
    "update.mode": "none",
    "workbench.enableExperiments": False,
    "workbench.quickOpen.closeOnFocusLost": False,  # a terminal that goes takes the focus with it
    "workbench.reduceMotion": "on",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
}
OPTIONS = (
    "--auth=none",
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-workspace-trust",
    "--disable-getting-started-override",
)
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The icon at a terminal's name says how its task stands.
STATES = {"\ueb19": "running", "\ueab2": "done", "\uea87": "failed", "\uea6c": "failed"}
PATIENCE = 180.0
# Of all rows of a list in one call: a row that goes between two would be waited for.
POSITIONS_AND_TEXTS = """rows => rows.map(row => [
    Number(row.ariaPosInSet),
    [...row.querySelectorAll('.label-name')].map(one => one.innerText.trim()),
]).filter(([at, texts]) => texts.length)"""
LABELS_AND_ICONS = """rows => rows.map(row => [
    row.ariaLabel ?? '',
    [...row.querySelectorAll('.monaco-icon-label')]
        .map(one => getComputedStyle(one, '::after').content).join(''),
])"""

T = TypeVar("T")


def wait_for(
    what: str, look: Callable[[], T | None], seconds: float = PATIENCE, pause: float = 0.05
) -> T:
    """What `look` finds, as soon as it finds something; it is asked again after each pause.

    A pause grows to five times the first: to look costs the window, too, which is at work.
    """
    end = time.monotonic() + seconds
    longest = 5 * pause
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(pause)
        pause = min(1.3 * pause, longest)


def program() -> tuple[str, str]:
    """Node and code-server by their paths, as .ci/steps.sh wrote them into the program on PATH."""
    found = shutil.which("code-server")
    assert found is not None
    last = Path(found).read_text().strip().splitlines()[-1]
    _, node, entry, _ = shlex.split(last)
    return node, entry


class Server:
    """code-server, reached from this machine. Its settings are the person's own."""

    def __init__(self, argv: Sequence[str], settings: Path) -> None:
        self.settings = settings
        self.child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.url = self._url()

    @classmethod
    def start(
        cls, home: Path, *, seen_as: str = "", prefix: Sequence[str] = (), address: str = ""
    ) -> Server:
        """On a free port, with a home of its own.

        In a container: `prefix` is the argv that starts a program there, `seen_as` is what the home
        is called there, `address` where to listen.
        """
        settings = home / "user" / "User" / "settings.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps(SETTINGS))
        positions = {
            "user-data-dir": "user",
            "extensions-dir": "extensions",
            "config": "config.yaml",
        }
        words = [f"--{option}={seen_as or home}/{name}" for option, name in positions.items()]
        listen = f"--bind-addr={address or '127.0.0.1:0'}"
        return cls([*prefix, *program(), *OPTIONS, *words, listen], settings)

    def set(self, **changes: object) -> None:
        """Changes settings, `task_allowAutomaticTasks=None` takes one away."""
        now = {**SETTINGS, **{key.replace("_", "."): value for key, value in changes.items()}}
        self.settings.write_text(json.dumps({k: v for k, v in now.items() if v is not None}))

    def _url(self) -> str:
        said = []
        for line in self.child.stdout or ():
            said.append(line)
            if match := re.search(r"listening on (http://[^\s/]+)", line):
                return match[1]
        raise AssertionError("code-server ended: " + "".join(said))

    def close(self) -> None:
        os.killpg(self.child.pid, signal.SIGTERM)
        self.child.wait(PATIENCE)


def install_extension(home: Path) -> None:
    """The workspace's own extension, for the server of this home."""
    (home / "innerloop.vsix").write_bytes(vsix.content())
    options = [f"--extensions-dir={home}/extensions", f"--user-data-dir={home}/installer"]
    install = [*program(), *options, "--install-extension", str(home / "innerloop.vsix")]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """A server whose tasks find no engine: no image is built for what is no test of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "DOCKER_HOST", "unix:///nowhere")
        server = Server.start(home)
    yield server
    server.close()


@dataclass(frozen=True)
class Problem:
    """An entry of the Problems panel: the file's name and folder, and what is said about it."""

    file: str
    severity: str
    message: str
    line: int
    column: int


class Workbench:
    """One window with one folder open in it."""

    def __init__(self, browser: Browser, server: Server, folder: str) -> None:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
        )
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.goto(f"{server.url}/?folder={quote(folder)}")
        self.page.locator(".explorer-folders-view .monaco-list-row").first.wait_for()
        self.field = self.page.locator(".quick-input-widget .quick-input-box input")
        self.rows = self.page.locator(".quick-input-list .monaco-list-row:visible")

    def close(self) -> None:
        self.page.context.close()

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    # The palette, and other lists and questions at the top of the window

    def command(self, title: str) -> None:
        """A command of the palette, by its whole title."""
        self._pick(">" + title, title)

    def open_file(self, path: str) -> None:
        name = path.rpartition("/")[2]
        self._pick(path, name)
        self.page.locator(f".tab.active[data-resource-name='{name}']").wait_for()

    def break_at(self, line: int) -> None:
        """A breakpoint in the open file. A window that still starts may take the keys elsewhere."""
        mark = self.page.locator(".glyph-margin-widgets .codicon-debug-breakpoint").first

        def marked() -> bool:
            if mark.is_visible():
                return True
            self.press("Control+1")  # into the editor
            self.press("Control+g")
            try:
                self.field.fill(f":{line}", timeout=2000)
                self.press("Enter")
                self.press("F9")
                mark.wait_for(timeout=5000)
            except Error:
                self.press("Escape")
                return False
            return True

        wait_for(f"a breakpoint at line {line}", marked)

    def _pick(self, typed: str, wanted: str) -> None:
        """A window that still starts takes the focus away, and the list closes: then once more."""

        def found() -> bool:
            try:
                self.press("F1")
                self.field.fill(typed, timeout=2000)
                self._row(wanted).click(timeout=3000)
            except Error:
                return False
            return True

        wait_for(f"{wanted} in the palette", found)

    def _row(self, label: str) -> Locator:
        """The row of a list with this label (it may begin with an icon)."""
        first_line = self.page.locator(
            ".quick-input-list-row:first-child .label-name",
            has_text=re.compile(rf"^\s*{re.escape(label)}(: \S+)?$"),
        )
        return self.rows.filter(has=first_line).first

    def listed(self) -> list[tuple[str, str]]:
        """Every entry of the open list, (label, detail), from its top to its end."""
        self.rows.first.wait_for()
        size = int(self.rows.first.get_attribute("aria-setsize") or 0)
        entries: dict[int, tuple[str, str]] = {}
        while len(entries) < size:
            for at, texts in self.rows.evaluate_all(POSITIONS_AND_TEXTS):
                entries[at] = (texts[0], texts[1] if len(texts) > 1 else "")
            self.press("PageDown")
        return [entries[at] for at in sorted(entries)]

    def palette(self) -> list[tuple[str, str]]:
        """The list of tasks: (label, detail). It stays open."""
        self.tasks()
        return self.listed()

    def tasks(self) -> None:
        """Opens the list of tasks. A window that still starts may close this list as well."""

        def listed() -> bool:
            self.command("Tasks: Run Task")
            try:
                self._placeholder("Select the task to run", seconds=5)
            except Error:
                self.press("Escape")
                return False
            return True

        wait_for("the list of tasks", listed)

    def choose(self, label: str) -> None:
        """An entry of the open list."""
        self.field.fill(label)
        self._row(label).click()

    def type(self, text: str) -> None:
        """The answer to an open question."""
        self.field.fill(text)
        self.press("Enter")

    def _placeholder(self, text: str, seconds: float = PATIENCE) -> None:
        field = self.page.locator(f".quick-input-box input[placeholder^='{text}']")
        field.wait_for(timeout=seconds * 1000)

    # Tasks and their terminals

    def start(self, label: str) -> None:
        """A task from the palette; what it asks is still to be answered.

        Terminals of earlier tasks are closed, so that none is taken for this one's.
        """
        self.command("Terminal: Kill All Terminals")
        wait_for("the terminals to go", lambda: not self.terminals())
        self.tasks()
        self.choose(label)

    def pick(self, question: str, label: str) -> None:
        """The answer to a list with this question."""
        self._placeholder(question)
        self.choose(label)

    def asked(self, question: str) -> set[str]:
        """The labels of the list with this question, which stays open.

        (What was chosen the last time stands first.)
        """
        self._placeholder(question)
        return {label for label, _ in self.listed()}

    def terminals(self) -> list[tuple[str, str]]:
        """(name, state) of each terminal; the state of a task's is running, done or failed."""
        rows = self.page.locator(".tabs-list .monaco-list-row").evaluate_all(LABELS_AND_ICONS)
        found = [(re.match(r"Terminal \d+ (.+)$", label), icon.strip('"')) for label, icon in rows]
        return [(match[1].strip(), STATES.get(icon, "")) for match, icon in found if match]

    def ended(self, label: str, seconds: float = PATIENCE) -> int:
        """The exit code that VS Code saw of a task that was started."""

        def state() -> str:
            states = [state for name, state in self.terminals() if name == label]
            return states[-1] if states and states[-1] in ("done", "failed") else ""

        if wait_for(f"the end of {label}", state, seconds) == "done":
            return 0
        # It says "failed to launch" of a program that ended within half a second.
        said = r"(?:terminated with exit code:|failed to launch \(exit code:) (\d+)"
        code = wait_for("the exit code", lambda: re.search(said, self.text()))
        return int(code[1])

    def text(self) -> str:
        """What the active terminal shows, its lines put together where they were too long."""
        rows = self.page.locator(".terminal-wrapper.active .xterm-rows > div")
        lines = [text.replace("\xa0", " ") for text in rows.all_text_contents()]
        width = max(map(len, lines), default=0)
        return "".join(line if len(line) == width else line.rstrip() + "\n" for line in lines)

    def enter(self, text: str) -> None:
        """A line typed into the active terminal, once the keys go there."""
        keys = self.page.locator(".terminal-wrapper.active .xterm-helper-textarea:focus")
        keys.wait_for(state="attached")
        self.page.keyboard.type(text + "\n")

    def says(self, text: str, seconds: float = PATIENCE) -> None:
        """Until the active terminal shows a text."""
        try:
            wait_for(f"{text!r} in the terminal", lambda: text in self.text(), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text()}") from None

    # What the person sees beside

    def seen(self) -> str:
        """The texts of the side bar, the messages and the active terminal, for a report."""
        places = (".sidebar .pane-body", ".notification-toast", ".monaco-dialog-box")
        texts = [text for place in places for text in self.page.locator(place).all_inner_texts()]
        return "\n".join([*texts, "terminals:", *map(str, self.terminals()), self.text()])

    def problems(self) -> list[Problem]:
        """Every entry of the Problems panel, which is opened for it."""
        self.command("Problems: Focus on Problems View")
        self.page.locator(".markers-panel").wait_for()
        found, file = [], ""
        rows = self.page.locator(".markers-panel .monaco-list-row")
        for label in rows.evaluate_all("rows => rows.map(row => row.ariaLabel ?? '')"):
            if match := re.match(r"\d+ problems? in file (.+) of folder (.*)$", label):
                file = f"{match[2]}/{match[1]}"
            elif match := re.match(r"(\w+): (.*) at line (\d+) and character (\d+)\.", label):
                found.append(Problem(file, match[1], match[2], int(match[3]), int(match[4])))
        return found

    def notification(self, text: str) -> Locator:
        return self.page.locator(".notification-toast", has_text=text)
