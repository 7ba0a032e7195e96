"""A conflict that an upgrade left, in VS Code's own merge editor."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Error

from innerloop.sync import conflict_stages, engine, transaction
from innerloop.sync.render import vscode_tasks
from tests.editor.workbench import Workbench, wait_for
from tests.support import Workspace

pytestmark = pytest.mark.editor
TASKS = ".vscode/tasks.json"
DETAIL = next(task.detail for task in vscode_tasks.TASKS if task.label == vscode_tasks.RUN)


def git(workspace: Workspace, *words: str) -> str:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    done = subprocess.run(argv, cwd=workspace.root, capture_output=True, text=True, check=True)
    return done.stdout


def in_conflict(workspace: Workspace) -> None:
    """A task's words were older when they were generated, and the person has changed them."""
    engine.sync(workspace.root)
    settings = workspace.read(".vscode/settings.json")
    workspace.write(".vscode/settings.json", settings.replace("{", '{"git.mergeEditor": true,', 1))
    for path, words in ((TASKS, "Mine"), (transaction.STATE, "Older words")):
        workspace.write(path, workspace.read(path).replace(DETAIL, words, 1))
    git(workspace, "init", "-q")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "as it is")
    outcome = engine.plan(workspace.root)
    known = conflict_stages.entries(workspace.root, [file.path for file in outcome.conflicted])
    assert conflict_stages.mark(workspace.root, outcome.conflicted, known) == [TASKS]


def test_conflict_of_an_upgrade_is_resolved_in_the_merge_editor(
    workspace: Workspace, opened: Callable[..., Workbench]
) -> None:
    workspace.add("one", "print(1)\n")
    in_conflict(workspace)
    window = opened(workspace.root)
    window.command("Source Control: Focus on Changes View")
    rows = window.page.locator(".scm-view .monaco-list-row")
    rows.filter(has_text="Merge Changes").wait_for()
    rows.filter(has_text="tasks.json").first.click()
    editor = window.page.locator(".merge-editor")
    sides = editor.locator(".code-view")
    wait_for("both sides and the result", lambda: sides.count() == 3 or None)
    wanted = [DETAIL, "Mine", "Mine"]  # incoming, current, result; with blanks that do not break

    def shown() -> bool:
        texts = [sides.nth(number).inner_text().replace("\xa0", " ") for number in range(3)]
        return all(
            f'"detail": "{words}"' in text for words, text in zip(wanted, texts, strict=True)
        )

    wait_for("the text of each", shown)
    editor.get_by_text("Remove Current").click()
    editor.get_by_text("Accept Incoming").click()
    editor.get_by_text("Complete Merge").click()
    # VS Code asks when its Git extension has not heard yet of the last change, and saves without one else.
    save = window.page.locator(".monaco-dialog-box").get_by_role("button", name="Save", exact=True)

    def staged() -> bool:
        if save.count():
            with contextlib.suppress(Error):  # it goes while it is looked at
                save.click(timeout=1000)
        return not git(workspace, "ls-files", "--unmerged")

    wait_for("git add", staged)
    assert DETAIL in workspace.read(TASKS) and "Mine" not in workspace.read(TASKS)
    outcome = engine.sync(workspace.root)
    assert (outcome.problems, outcome.conflicted) == ((), ())
