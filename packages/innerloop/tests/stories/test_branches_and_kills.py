"""Generated files in a repository: two branches, and a sync that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from innerloop.sync.render.debug_tasks import OPEN_FILE_TARGETS
from tests.support import ROOT, Workspace

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"


def git(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    who = ["-c", "user.name=a person", "-c", "user.email=person@example.com"]
    return subprocess.run(
        ["git", *who, *words], cwd=workspace.root, capture_output=True, text=True, check=False
    )


def commit(workspace: Workspace, message: str) -> None:
    git(workspace, "add", "-A", ":!scripts")
    assert git(workspace, "commit", "-qm", message).returncode == 0


def test_two_branches_that_each_add_an_experiment(workspace: Workspace) -> None:
    for name in ("first", "mid", "zulu"):
        workspace.add(name, "print(1)\n", job=JOB)
    workspace.loop("sync")
    git(workspace, "init", "-q", "-b", "main")
    commit(workspace, "start")
    for name in ("alpha", "oscar"):
        git(workspace, "checkout", "-q", "-b", name, "main")
        workspace.add(name, "print(2)\n", job=JOB)
        assert workspace.loop("sync").code == 0
        commit(workspace, name)
    merged = git(workspace, "merge", "-q", "--no-edit", "alpha")
    # No line lists the experiments, so each branch adds lines of its own. So does the memory.
    assert merged.returncode == 0, merged.stdout
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    tasks, launch = workspace.read(".vscode/tasks.json"), workspace.read(".vscode/launch.json")
    for name in ("alpha", "first", "mid", "oscar", "zulu"):
        assert f'"debug {name}"' in tasks
        assert f'"{name}: train.py"' in launch
    assert workspace.loop("sync", "--check").code == 0


LAUNCH, TASKS = ".vscode/launch.json", ".vscode/tasks.json"


@pytest.fixture
def conflict(workspace: Workspace) -> Workspace:
    """Both branches add an experiment at one place.

    One has a person's comment, the other removes an experiment.
    """
    shutil.copy(ROOT / ".gitattributes", workspace.root)
    for name in ("mid", "zulu"):
        workspace.add(name, "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    git(workspace, "init", "-q", "-b", "main")
    commit(workspace, "start")
    for name in ("alpha", "beta"):
        git(workspace, "checkout", "-q", "-b", name, "main")
        workspace.add(name, "print(2)\n", job=JOB.replace("epochs", f"{name}s"))
        assert workspace.loop("sync").code == 0
        if name == "alpha":
            text = workspace.read(LAUNCH).replace(
                '"alpha: train.py",', '"alpha: train.py", // mine'
            )
            workspace.write(LAUNCH, text)
        else:
            assert workspace.loop("remove", "zulu", "--yes").code == 0
        commit(workspace, name)
    git(workspace, "merge", "-q", "--no-edit", "alpha")
    conflicts = git(workspace, "diff", "--name-only", "--diff-filter=U").stdout.split()
    assert conflicts == [LAUNCH, TASKS]
    return workspace


@pytest.mark.parametrize("side", ["", "--ours", "--theirs"])
def test_git_conflict_of_two_branches_is_merged_by_content(conflict: Workspace, side: str) -> None:
    """Also for somebody who took one side: the other's experiment was not thrown out by that."""
    if side:
        git(conflict, "checkout", side, ".vscode")
    before = conflict.read(LAUNCH)
    checked = conflict.loop("sync", "--check")
    assert checked.code == 1 and conflict.read(LAUNCH) == before
    answer = conflict.loop("sync")
    assert answer.code == 0, answer.err
    assert f"{LAUNCH}: git left it in conflict" in answer.err and "`git add` it" in answer.err
    assert side == "--ours" or "// mine" in conflict.read(LAUNCH)
    launch = json.loads(conflict.read(LAUNCH).replace("// mine", ""))
    names = {one["name"] for one in launch["configurations"]}
    assert {"alpha: train.py", "beta: train.py", "mid: train.py"} <= names
    assert not any("zulu" in name for name in names)
    labels = [task["label"] for task in json.loads(conflict.read(TASKS))["tasks"]]
    of_experiments = {f"debug {name}" for name in ("alpha", "beta", "mid")}
    of_files = {f"debug {target.title}" for target in OPEN_FILE_TARGETS}
    assert {one for one in labels if one.startswith("debug ")} == of_experiments | of_files
    assert len(labels) == len(set(labels))
    assert conflict.loop("sync").out == "everything is up to date\n"
    commit(conflict, "merged")
    assert conflict.loop("sync", "--check").code == 0


def test_comments_that_no_one_text_would_keep_leave_the_conflict_to_the_person(
    conflict: Workspace,
) -> None:
    git(conflict, "merge", "--abort")
    text = conflict.read(LAUNCH).replace('"beta: train.py",', '"beta: train.py", // yours')
    conflict.write(LAUNCH, text)
    commit(conflict, "beta's comment")
    git(conflict, "merge", "-q", "--no-edit", "alpha")
    before = conflict.read(LAUNCH)
    assert "<<<<<<<" in before and "// mine" in before and "// yours" in before
    answer = conflict.loop("sync")
    assert answer.code == 1 and f"{LAUNCH}:" in answer.message
    assert conflict.read(LAUNCH) == before


def test_a_conflict_that_somebody_has_begun_to_settle_is_theirs(conflict: Workspace) -> None:
    text = conflict.read(LAUNCH).replace("debugpy", "mine", 1)
    conflict.write(LAUNCH, text)
    answer = conflict.loop("sync")
    assert answer.code == 1 and f"{LAUNCH}:" in answer.message
    assert conflict.read(LAUNCH) == text


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a signal of POSIX")
def test_killed_at_any_moment_no_file_is_half_and_the_next_sync_is_in_line(
    workspace: Workspace,
) -> None:
    for number in range(30):
        workspace.add(f"line{number}", "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    mine = workspace.read(".vscode/tasks.json").replace("{", "{\n    // mine", 1)
    workspace.write(".vscode/tasks.json", mine)
    for moment, seconds in enumerate((0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25)):
        for number in range(30):
            workspace.write(f"src/line{number}/innerloop.toml", f"ports = [{4000 + moment}]\n")
        child = subprocess.Popen(
            [str(workspace.root / "scripts" / "loop"), "sync"],
            cwd=workspace.root,
            env={**os.environ, **workspace.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for path in workspace.root.glob(".devcontainer/*/devcontainer.json"):
            assert path.read_text().endswith("}\n")
        assert workspace.loop("sync").code == 0
        assert workspace.loop("sync", "--check").code == 0
        assert "// mine" in workspace.read(".vscode/tasks.json")
        left = [p for p in workspace.root.rglob(".*.json.*") if "scripts" not in p.parts]
        assert left == []
