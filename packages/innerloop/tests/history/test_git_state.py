"""The patch of a run: what is in it, and what is named only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from innerloop.history import git_state

TOKEN = "ghp_" + "c" * 36
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n"


def git(root: Path, *words: str) -> str:
    argv = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "src").mkdir(parents=True)
    for name in ("train.py", "notes.txt", "settings.yml", ".env", "server.pem"):
        (root / "src" / name).write_text(f"# {name}\n" + "same\n" * 20)
    git(root, "init", "-q")
    git(root, "add", "-Af")
    git(root, "commit", "-qm", "one")
    return root


def test_files_that_a_submission_refuses_are_named_only(repository: Path) -> None:
    src = repository / "src"
    (src / "new.py").write_text("print('new')\n")
    (src / "id_rsa").write_text("no header here\n")
    (src / "id_rsa").chmod(0o600)
    (src / "deploy_key").write_text(KEY)
    (src / "config.ini").write_text(f"[a]\ntoken = {TOKEN}\n")
    (src / "cache.bin").write_bytes(b"\0AccountKey=" + b"A" * 86 + b"==\0")
    state = git_state.read(repository)
    assert state is not None
    assert "+print('new')" in state.patch
    assert set(state.left_out) == {
        f"src/{name}" for name in ("id_rsa", "deploy_key", "config.ini", "cache.bin")
    }
    assert "no header" not in state.patch and "PRIVATE KEY" not in state.patch
    assert TOKEN not in state.patch


def test_changes_of_tracked_files_with_secrets_are_named_only(repository: Path) -> None:
    src = repository / "src"
    (src / "train.py").write_text("print('changed')\n")
    (src / "settings.yml").write_text(f"token: {TOKEN}\n")
    (src / ".env").write_text("DATABASE=hunter2hunter2\n")
    (src / "server.pem").unlink()
    state = git_state.read(repository)
    assert state is not None
    assert "+print('changed')" in state.patch
    assert set(state.left_out) == {"src/settings.yml", "src/.env", "src/server.pem"}
    assert TOKEN not in state.patch and "hunter2" not in state.patch


def test_secret_that_was_removed_is_not_copied_from_the_last_commit(repository: Path) -> None:
    notes = repository / "src" / "notes.txt"
    notes.write_text(f"one\n{TOKEN}\n")
    git(repository, "commit", "-qam", "two")
    notes.write_text("one\n")
    (repository / "src" / "train.py").write_text("print('changed')\n")
    state = git_state.read(repository)
    assert state is not None
    assert state.left_out == ("src/notes.txt",)
    assert TOKEN not in state.patch and "+print('changed')" in state.patch


def test_links_are_copied_as_links(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text(f"victim {TOKEN}\n")
    (repository / "src" / "link").symlink_to(tmp_path / "victim")
    (repository / "src" / "folder").symlink_to(tmp_path)
    state = git_state.read(repository)
    assert state is not None
    assert "victim " not in state.patch and "new file mode 120000" in state.patch


def test_unreadable_file_does_not_cost_the_patch(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "src" / "locked.txt").write_text("locked\n")
    (repository / "src" / "train.py").write_text("print('changed')\n")
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "locked.txt":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    state = git_state.read(repository)
    assert state is not None
    assert state.left_out == ("src/locked.txt",) and "+print('changed')" in state.patch


def test_workspace_below_the_repository_has_a_patch_of_its_own_files(tmp_path: Path) -> None:
    top = tmp_path / "mono"
    root = top / "team" / "workspace"
    root.mkdir(parents=True)
    (root / "train.py").write_text("one\n")
    (top / "other.txt").write_text("one\n")
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "one")
    (root / "train.py").write_text("two\n")
    (root / "new.py").write_text("new\n")
    (root / "large.bin").write_bytes(os.urandom(git_state.LARGEST + 1))
    (top / "other.txt").write_text("others' change\n")
    state = git_state.read(root)
    assert state is not None
    assert set(state.left_out) == {"other.txt", "team/workspace/large.bin"}
    git(top, "stash", "-q")
    (root / "new.py").unlink()
    subprocess.run(["git", "apply"], cwd=root, input=state.patch, text=True, check=True)
    assert (root / "train.py").read_text() == "two\n" and (root / "new.py").read_text() == "new\n"


def test_many_files_with_one_secret_cost_one_file(repository: Path) -> None:
    for number in range(450):
        (repository / "src" / f"n{number}.txt").write_text(f"number {number}\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "many")
    for number in range(450):
        (repository / "src" / f"n{number}.txt").write_text(f"changed {number}\n")
    (repository / "src" / "n207.txt").write_text(f"{TOKEN}\n")
    state = git_state.read(repository)
    assert state is not None
    assert state.left_out == ("src/n207.txt",)
    assert state.patch.count("diff --git") == 449
