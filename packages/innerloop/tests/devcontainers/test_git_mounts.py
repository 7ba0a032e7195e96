"""Where the repository of a worktree or a submodule is mounted, and which folders are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.devcontainers import git_mounts
from innerloop.devcontainers.git_mounts import GitMount
from innerloop.workspace import loader

RELATIVE = {"worktree": "main/.git/worktrees/tree", "bare": "repo.git/worktrees/tree"}


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)


def worktree(base: Path, name: str, relative: bool = False) -> Path:
    """The root of a new worktree of base/main (or of base/repo.git, without a work tree)."""
    git(base, "init", "-q", "main")
    git(base / "main", "commit", "-q", "--allow-empty", "-m", "one")
    if name == "bare":
        git(base, "clone", "-q", "--bare", "main", "repo.git")
    tree = base / "tree"
    git(base / ("repo.git" if name == "bare" else "main"), "worktree", "add", "-q", str(tree))
    if relative:
        (tree / ".git").write_text(f"gitdir: ../{RELATIVE[name]}\n")
        (base / RELATIVE[name] / "gitdir").write_text(
            f"{os.path.relpath(tree, base / RELATIVE[name])}/.git\n"
        )
    return tree


def submodule(base: Path, path: str) -> Path:
    git(base, "init", "-q", "inner")
    git(base / "inner", "commit", "-q", "--allow-empty", "-m", "one")
    git(base, "init", "-q", "outer")
    git(base / "outer", "submodule", "add", "-q", str(base / "inner"), path)
    return base / "outer" / path


def mount_of(root: Path, value: Mapping[str, object] | None = None) -> GitMount | None:
    root.mkdir(parents=True, exist_ok=True)
    return git_mounts.of_workspace(loader.open_workspace(root), value or {})


@pytest.mark.parametrize(("name", "folder"), [("worktree", "main/.git"), ("bare", "repo.git")])
def test_worktree_mounts_the_repository_where_its_file_points(
    tmp_path: Path, name: str, folder: str
) -> None:
    source = str(tmp_path / folder)
    tree = worktree(tmp_path, name)
    assert mount_of(tree) == GitMount(source, source)
    assert mount_of(tree / "ml/part") == GitMount(source, source)


@pytest.mark.parametrize(("name", "folder"), [("worktree", "main/.git"), ("bare", "repo.git")])
def test_worktree_with_relative_paths_mounts_beside_the_work_tree(
    tmp_path: Path, name: str, folder: str
) -> None:
    tree = worktree(tmp_path, name, relative=True)
    expected = GitMount(str(tmp_path / folder), f"/workspaces/{folder}")
    assert mount_of(tree) == mount_of(tree / "ml/part") == expected
    own = {"workspaceMount": "type=bind,source=${localWorkspaceFolder},target=/code/tree"}
    assert mount_of(tree, own) == GitMount(str(tmp_path / folder), f"/code/{folder}")


def test_submodule_that_is_deep_keeps_its_place_below_the_outer_repository(tmp_path: Path) -> None:
    source, target = str(tmp_path / "outer/.git/modules"), "/workspaces/outer/.git/modules"
    assert mount_of(submodule(tmp_path, "sub")) == GitMount(
        f"{source}/sub", "/workspaces/.git/modules/sub"
    )
    git(tmp_path / "outer", "submodule", "add", "-q", str(tmp_path / "inner"), "a/b")
    tree = tmp_path / "outer/a/b"
    mount = mount_of(tree / "ml")
    place = (str(tree), "/workspaces/outer/a/b", "/workspaces/outer/a/b/ml")
    assert mount == GitMount(f"{source}/a/b", f"{target}/a/b", place)
    added = mount.added_to({"mounts": ["x"], "containerEnv": {"GIT_CONFIG_COUNT": "1", "A": "b"}})
    assert added["workspaceFolder"] == place[2]
    assert added["mounts"] == [
        "x", {"type": "bind", "source": f"{source}/a/b", "target": f"{target}/a/b"},
    ]  # fmt: skip
    assert added["containerEnv"] == {
        "A": "b",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_1": "gc.worktreePruneExpire",
        "GIT_CONFIG_VALUE_1": "never",
    }


def test_clone_and_part_of_a_clone_need_no_mount(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "clone")
    assert mount_of(tmp_path / "clone") is None
    assert mount_of(tmp_path / "clone/ml/part") is None
    assert mount_of(tmp_path / "alone") is None


def test_workspaces_own_container_adds_no_mount(tmp_path: Path) -> None:
    workspace = loader.open_workspace(worktree(tmp_path, "worktree"))
    assert git_mounts.of_workspace(replace(workspace, host="/host/tree"), {}) is None


def forged(tmp_path: Path, kind: str) -> Path:
    """A workspace whose `.git` leads to a repository of the person that does not know it."""
    victim = worktree(tmp_path, "worktree")
    root = tmp_path / "downloaded"
    root.mkdir()
    named = {
        "repository": "../main/.git",
        "worktree": "../main/.git/worktrees/tree",
        "folder": "../private",
        "own": "fake",
        "link": "fake",
        "submodule": "fake",
    }[kind]
    (root / ".git").write_text(f"gitdir: {named}\n")
    fake = root / "fake"
    if kind == "link":
        fake.symlink_to("../main/.git/worktrees/tree")
    elif kind in ("own", "submodule"):
        fake.mkdir()
        (fake / "HEAD").write_text("ref: refs/heads/main\n")
        (fake / "commondir").write_text(str(tmp_path / "main/.git"))
        (fake / "config").write_text(f"[core]\n\tworktree = {root}\n")
        if kind == "own":
            (fake / "gitdir").write_text(str(root / ".git"))
    assert victim.is_dir()
    return root


@pytest.mark.parametrize("kind", ["repository", "worktree", "folder", "own", "link", "submodule"])
def test_repository_that_does_not_know_the_work_tree_is_never_mounted(
    tmp_path: Path, kind: str
) -> None:
    assert mount_of(forged(tmp_path, kind)) is None
