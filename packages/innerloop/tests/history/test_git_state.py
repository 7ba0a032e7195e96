"""The patch of a run: what is in it, and what is named only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from innerloop.history import git_state
from innerloop.util import files, git_folders
from innerloop.util.errors import UserError

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


def odd_names(repository: Path) -> Path:
    """Names that are no text, or that git quotes, and a text file in another encoding."""
    src = repository / "src"
    (src / "latin.txt").write_bytes(b"caf\xe9\r\nsame\r\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    (src / "latin.txt").write_bytes(b"caf\xe9 2\r\nsame\r\n")
    for name in (b"caf\xe9.py", b"new\nline.py", b"back\\slash.py", b'qu"ote.py', b" blank .py"):
        Path(os.fsdecode(os.path.join(os.fsencode(src), name))).write_text("print('new')\n")
    return src


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_patch_of_odd_names_and_bytes_applies_to_a_clone(repository: Path, tmp_path: Path) -> None:
    src = odd_names(repository)
    state = git_state.read(repository)
    assert state is not None and state.left_out == ()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    patch = tmp_path / "changes.patch"
    files.write_private(patch, state.patch)
    git(clone, "apply", str(patch))

    def contents(root: Path) -> dict[bytes, bytes]:
        folder = os.fsencode(root / "src")
        return {
            name: Path(os.fsdecode(os.path.join(folder, name))).read_bytes()
            for name in os.listdir(folder)
        }

    assert contents(clone) == contents(src.parent)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_json_of_a_name_that_is_not_utf8_has_its_byte_as_an_escape(repository: Path) -> None:
    odd_names(repository)
    state = git_state.read(repository)
    assert state is not None
    names = json.loads(json.dumps(state.json(), ensure_ascii=False).encode("utf-8"))["untracked"]
    assert "src/caf\\xe9.py" in names and "src/new\nline.py" in names


def test_another_repository_inside_holds_up_no_other_file(repository: Path) -> None:
    inner = repository / "src/inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "a.py").write_text("1\n")
    (repository / "src/new.py").write_text("print('new')\n")
    state = git_state.read(repository)
    assert state is not None
    assert "+print('new')" in state.patch
    assert state.left_out == ("src/inner/",)


def test_state_in_a_hook_of_another_repository_is_the_workspaces_own(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    own = git_state.read(repository)
    for name, value in (("GIT_DIR", ".git"), ("GIT_DIR", str(other / ".git"))):
        monkeypatch.setenv(name, value)
        monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
        assert git_state.read(repository) == own and own is not None and own.commit


def test_state_with_a_repository_elsewhere_reads_that_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "kept.git"), str(tree))
    (tree / "a").write_text("1")
    git(tree, "add", "a")
    git(tree, "commit", "-qm", "one")
    (tree / ".git").unlink()
    assert git_state.read(tree) is None
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "kept.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tree))
    state = git_state.read(tree)
    assert state is not None and state.commit and not state.dirty


def test_state_of_a_part_of_a_repository_leaves_out_its_outputs(repository: Path) -> None:
    part = repository / "part"
    (part / "outputs").mkdir(parents=True)
    (part / "outputs/model.bin").write_text("1")
    (part / "train.py").write_text("1\n")
    state = git_state.read(part)
    assert state is not None and state.untracked == ("part/train.py",)
    assert "+1" in state.patch


@pytest.mark.parametrize("relative", [False, True])
def test_state_of_a_worktree_and_a_submodule_is_read(
    repository: Path, tmp_path: Path, relative: bool
) -> None:
    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    mark = tree / ".git"
    if relative:
        target = mark.read_text().removeprefix("gitdir: ").strip()
        mark.write_text(f"gitdir: {os.path.relpath(target, tree)}\n")
    state = git_state.read_or_fail(tree)
    assert state is not None and state.commit
    found = git_folders.find(tree)
    assert found is not None and found.is_linked and found.is_mutual
    assert os.path.realpath(found.common) == os.path.realpath(repository / ".git")


def test_a_worktree_without_its_repository_is_an_error_that_names_it(
    repository: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    (repository / ".git").rename(tmp_path / "moved")
    assert git_state.read(tree) is None
    with pytest.raises(UserError, match=r"repository/\.git") as caught:
        git_state.read_or_fail(tree)
    assert (caught.value.code, caught.value.where) == ("git-unreadable", str(tree))


def test_git_folders_of_a_submodule_are_known_to_each_other(
    repository: Path, tmp_path: Path
) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "-q", str(outer))
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "sub")
    found = git_folders.find(outer / "sub" / "src")
    assert found is not None and found.is_mutual and found.work_tree == outer / "sub"
    assert found.folder == found.common == outer / ".git/modules/sub"


@pytest.mark.parametrize("named", ["../secrets", "/etc", "../nowhere", "../other/.git"])
def test_git_folders_that_do_not_know_the_work_tree_are_not_mutual(
    tmp_path: Path, named: str
) -> None:
    (tmp_path / "secrets").mkdir()
    git(tmp_path, "init", "-q", str(tmp_path / "other"))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {named}\n")
    found = git_folders.find(tree)
    assert found is not None and found.is_linked and not found.is_mutual


@pytest.mark.person
def test_a_repository_of_another_user_is_an_error_with_the_cure(tmp_path: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="innerloop-owner-"))
    try:
        git(root, "init", "-q")
        for path in (root, *root.rglob("*")):
            os.chown(path, 4321, 4321)
        with pytest.raises(UserError, match="another user") as caught:
            git_state.read_or_fail(root)
        assert caught.value.code == "git-unreadable" and str(root) in caught.value.hint
    finally:
        shutil.rmtree(root)
