"""A sync that ends at any of its steps on the disk: killed, interrupted, or refused by a full disk.

Each of its steps is met, in a real process, with nothing of the tool replaced (tests/steps.py).
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop.sync import engine
from tests.steps import DONE, EVERY_STEP, FEWER, copies, kill, stopped_at
from tests.support import Workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
LAUNCH = ".vscode/launch.json"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'


@pytest.fixture
def changed(workspace: Workspace) -> Workspace:
    """Three experiments in line and edited by a person; then one is changed, one new, one gone."""
    for name in ("first", "second", "third"):
        workspace.add(name, "print(1)\n", job=JOB, toml=SCHEDULE if name != "second" else "")
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


def generated(root: Path) -> dict[str, str]:
    found = [*root.glob(".devcontainer/**/*.json"), *root.glob(".vscode/*.json")]
    found += [*root.glob(".github/**/*.yml"), *root.glob("orchestration/**/*.yml")]
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def sync(root: Path, at: int, then: Callable[[], None]) -> int:
    return stopped_at(root, at, then, lambda: engine.sync(root))


def interrupt() -> None:
    raise KeyboardInterrupt


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


ENDS = (kill, interrupt, full_disk)


@pytest.mark.parametrize("then", ENDS, ids=lambda then: then.__name__)
@EVERY_STEP
def test_each_file_is_old_or_new_and_the_memory_agrees(
    changed: Workspace, tmp_path: Path, then: Callable[[], None], every: bool
) -> None:
    """The sample of an end has each third step; together the three have all."""
    before = generated(changed.root)
    whole = tmp_path / "whole"
    shutil.copytree(changed.root, whole, symlinks=True)
    assert sync(whole, 999, kill) == FEWER
    after = generated(whole)
    ends = set()
    first = 1 + ENDS.index(then)
    for number, root in copies(changed.root, tmp_path / "copies", every=every, first=first):
        code = sync(root, number, then)
        ends.add(code)
        found = generated(root)
        for path in {*before, *after}:
            assert found.get(path) in (before.get(path), after.get(path)), (number, path)
        # What is wanted changes once more: had the state been wrong, ours would pass for theirs.
        set_epochs(root, 5)
        outcome = engine.sync(root)
        assert (outcome.problems, outcome.notes) == ((), ()), number
        assert '"5"' in (root / LAUNCH).read_text() and "// mine" in (root / LAUNCH).read_text()
        assert not engine.plan(root).changes and engine.plan(root).state is None
        assert not list(root.glob(".innerloop/writing*")), number
        assert not [path for path in root.glob(".*/**/.*") if path.is_file()], number
        shutil.rmtree(root)
        if code == FEWER:
            break
    # Some steps may fail without harm (a folder that is there already, the sweeping afterwards).
    expected = {kill: {-signal.SIGKILL}, interrupt: {130}, full_disk: {1, DONE}}[then]
    if not every:  # of the steps that fail without harm, which are few, a sample may have none
        ends |= expected & {DONE}
    assert ends == {*expected, FEWER} and number > 12


def test_a_word_that_a_person_saves_meanwhile_is_kept(changed: Workspace) -> None:
    launch = changed.root / LAUNCH

    def save() -> None:
        launch.write_text(launch.read_text().replace("// mine", "// mine and newer"))

    # Before the first step the files have been read already: the lock's own file is the first.
    assert sync(changed.root, 4, save) == DONE
    assert "// mine and newer" in launch.read_text()
    assert '"3"' in launch.read_text()
    assert not engine.plan(changed.root).changes
