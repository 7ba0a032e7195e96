"""A sync that ends at any of its steps on the disk: killed, interrupted, or refused by a full disk.

The steps are counted by an audit hook of the interpreter (open for writing, rename, remove, mkdir,
chmod ...), so each of them is met, in a real process, with nothing of the tool replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from innerloop import syncing
from innerloop.errors import Mistake

from tests.support import Workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
LAUNCH = ".vscode/launch.json"
DONE, FEWER = 0, 99


@pytest.fixture
def changed(workspace: Workspace) -> Workspace:
    """Three experiments in line and edited by a person; then one is changed, one new, one gone."""
    for name in ("first", "second", "third"):
        workspace.add(name, "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    text = workspace.read(LAUNCH)
    workspace.write(LAUNCH, text.replace("{", "{\n    // mine", 1))
    set_epochs(workspace.root, 3)
    workspace.add("fourth", "print(1)\n", job=JOB)
    shutil.rmtree(workspace.root / "src" / "third")
    return workspace


def set_epochs(root: Path, epochs: int) -> None:
    job = root / "src" / "first" / "azure-ml-job.yaml"
    job.write_text(JOB.replace("8", str(epochs)) + "code: .\n")


def rendered(root: Path) -> dict[str, str]:
    found = [*root.glob(".devcontainer/**/*.json"), *root.glob(".vscode/*.json")]
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def sync(root: Path, at: int, then: Callable[[], None]) -> int:
    """The exit code of a sync in a process of its own, in which `then` is called before its
    at-th step on the workspace's files; FEWER when it ends well with fewer steps."""
    child = os.fork()
    if child == 0:
        code = 70
        reached: list[str] = []
        try:
            sys.addaudithook(hook(root, at, then, reached))
            syncing.sync(root)
            code = DONE if len(reached) >= at else FEWER
        except Mistake:
            code = 1
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def hook(
    root: Path, at: int, then: Callable[[], None], reached: list[str]
) -> Callable[[str, tuple[Any, ...]], None]:
    def step(event: str, args: tuple[Any, ...]) -> None:
        if event not in STEPS or not str(args[0]).startswith(str(root)):
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        reached.append(event)
        if len(reached) == at:
            then()

    return step


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def copies(workspace: Workspace, folder: Path) -> Iterator[Path]:
    for number in range(1, 200):
        root = folder / str(number)
        shutil.copytree(workspace.root, root, symlinks=True)
        yield root
    raise AssertionError("a sync of 200 steps")


@pytest.mark.parametrize("then", [kill, interrupt, full_disk], ids=lambda then: then.__name__)
def test_each_file_is_old_or_new_and_the_memory_agrees(
    changed: Workspace, tmp_path: Path, then: Callable[[], None]
) -> None:
    before = rendered(changed.root)
    whole = tmp_path / "whole"
    shutil.copytree(changed.root, whole, symlinks=True)
    assert sync(whole, 999, kill) == FEWER
    after = rendered(whole)
    ends = set()
    for number, root in enumerate(copies(changed, tmp_path / "copies"), 1):
        code = sync(root, number, then)
        ends.add(code)
        found = rendered(root)
        for path in {*before, *after}:
            assert found.get(path) in (before.get(path), after.get(path)), (number, path)
        # What is wanted changes once more: had the memory been wrong, ours would pass for theirs.
        set_epochs(root, 5)
        outcome = syncing.sync(root)
        assert (outcome.problems, outcome.notes) == ((), ()), number
        assert '"5"' in (root / LAUNCH).read_text() and "// mine" in (root / LAUNCH).read_text()
        assert not syncing.plan(root).changes and syncing.plan(root).memory is None
        assert not list(root.glob(".innerloop/writing*")), number
        assert not [path for path in root.glob(".*/**/.*") if path.is_file()], number
        shutil.rmtree(root)
        if code == FEWER:
            break
    # Some steps may fail without harm (a folder that is there already, the sweeping afterwards).
    expected = {kill: {-signal.SIGKILL}, interrupt: {130}, full_disk: {1, DONE}}[then]
    assert ends == {*expected, FEWER} and number > 12


def test_a_word_that_a_person_saves_meanwhile_is_kept(changed: Workspace) -> None:
    launch = changed.root / LAUNCH

    def save() -> None:
        launch.write_text(launch.read_text().replace("// mine", "// mine and newer"))

    # Before the first step the files have been read already: the lock's own file is the first.
    assert sync(changed.root, 4, save) == DONE
    assert "// mine and newer" in launch.read_text()
    assert '"3"' in launch.read_text()
    assert not syncing.plan(changed.root).changes
