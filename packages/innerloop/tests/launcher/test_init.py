"""`innerloop init`: a workspace in one step, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.scaffold import init, workspace_template
from innerloop.scaffold.tool_wheel import Pin
from tests.support import ROOT, Workspace

pytestmark = pytest.mark.network


def test_init_without_an_example_has_no_experiment(
    workspace: Workspace, wheel: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    answer = workspace.loop("init", str(folder), "--wheel", str(wheel))
    assert answer.code == 0, answer.err
    assert not list((folder / "src").iterdir())
    assert (folder / ".git").is_dir() and os.access(folder / "scripts" / "loop", os.X_OK)
    assert not list(folder.rglob("devcontainer.json"))[1:]
    assert "digit" not in (folder / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".new")] == []
    ignored = subprocess.run(
        ["git", "-C", folder, "check-ignore", f".innerloop/wheels/{wheel.name}"], check=False
    )
    assert ignored.returncode == 1


def test_init_in_a_folder_with_files_changes_nothing(
    workspace: Workspace, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    answer = workspace.loop("init", str(tmp_path / "there"), "--wheel", str(wheel))
    assert (answer.code, "the folder is not empty" in answer.message) == (1, True)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]


def test_init_with_another_wheel_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "innerloop-0.0.1-py3-none-any.whl"
    other.write_bytes(b"")
    answer = workspace.loop("init", str(tmp_path / "new"), "--wheel", str(other))
    assert (answer.code, "not a wheel of innerloop" in answer.message) == (1, True)
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_pin_begins_with_the_tool_and_keeps_the_dependencies() -> None:
    text = init.pin_text("# a comment\n# more\nrich==1 \\\n    --hash=sha256:b\n", Pin("a"), "9.9")
    assert text.splitlines()[1:] == [
        "innerloop==9.9 \\",
        "    --hash=sha256:a",
        "rich==1 \\",
        "    --hash=sha256:b",
    ]


def test_installed_tool_makes_a_workspace_and_hands_over_to_its_launcher(
    wheel: Path, index: str, tmp_path: Path
) -> None:
    """`pip install innerloop; innerloop init` with the package from an index."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    environ = {
        **os.environ,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index,
        "INNERLOOP_CACHE": str(tmp_path / "cache"),
    }
    python, program = tmp_path / "env/bin/python", tmp_path / "env/bin/innerloop"

    def run(*argv: object, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in argv]
        return subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True)

    installed = run(python, "-m", "pip", "install", "-q", "innerloop")
    assert installed.returncode == 0, installed.stderr
    outside = run(program, "list")
    assert (outside.returncode, "is in no workspace" in outside.stderr) == (1, True)
    made = run(program, "init", "ws", "--example", "digits")
    assert made.returncode == 0, made.stderr
    assert not (tmp_path / "ws/.innerloop/wheels").exists()
    for argv in ((program,), (python, "-m", "innerloop")):
        listed = run(*argv, "list", cwd=tmp_path / "ws" / "src")
        assert listed.returncode == 0, listed.stderr
        assert "digit_recognition_svm" in listed.stdout
    assert (tmp_path / "ws/src/digit_recognition/common/digits.py").is_symlink()


def test_template_lists_the_same_files_with_and_without_git() -> None:
    argv = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tracked = list(filter(None, done.stdout.split("\0")))
    assert workspace_template.names(ROOT, tracked) == workspace_template.names(ROOT, ())
