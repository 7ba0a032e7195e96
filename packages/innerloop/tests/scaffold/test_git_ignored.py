"""Files that git would not keep, and the lines that make it keep them and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from innerloop.scaffold import git_ignored
from tests.stories.made import git

EXTENSION = ".vscode/extensions/innerloop/"
PATHS = (
    ".vscode/tasks.json",
    ".vscode/launch.json",
    f"{EXTENSION}package.json",
    f"{EXTENSION}media/run.md",
    ".devcontainer/train/devcontainer.json",
    "scripts/loop-requirements.txt",
    "scripts/loop",
)
THEIRS = (
    ".vscode/settings.json",
    ".vscode/extensions/other.json",
    ".devcontainer/x/y.json",
    "a.log",
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("")
    root = tmp_path / "a b"
    for path in (*PATHS, *THEIRS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    git(tmp_path, "init", "--quiet", str(root))
    return root


@pytest.mark.parametrize(
    "rules",
    [
        (".vscode/", "*.log"),
        (".vscode", ".devcontainer/", "**/*requirements*.txt", "*.log"),
        ("/.vscode/*", ".devcontainer/**", "scripts/*", "*.log"),
        (".*", "scripts", "*.log", "*.json"),
        ("*.json", "*.md", "*.log"),
        ("*",),
        ("*.log",),
    ],
)
def test_lines_to_keep_make_git_keep_these_files_and_no_other(
    repository: Path, rules: tuple[str, ...]
) -> None:
    (repository / ".gitignore").write_text("\n".join(rules) + "\n")
    theirs = set(git_ignored.ignored(repository, THEIRS))
    found = git_ignored.ignored(repository, PATHS)
    messages = git_ignored.messages(repository, PATHS, False, whole=(EXTENSION,))
    assert bool(messages) is bool(found)
    for where in {rule.where for rule in found.values()}:
        assert any(where in message for message in messages)
    shut = git_ignored._ignored_folders(repository, list(found))
    lines = git_ignored.lines_to_keep(list(found), shut, (EXTENSION,))
    assert all(f"`{line}`" in " ".join(messages) for line in lines)
    with (repository / ".gitignore").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    assert git_ignored.ignored(repository, PATHS) == {}
    assert set(git_ignored.ignored(repository, THEIRS)) == theirs
    listed = git(repository, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    assert set(PATHS) <= set(listed)
    kept = git_ignored.kept_files(repository)
    assert kept is not None and set(PATHS) <= set(kept) and not theirs & set(kept)


@pytest.mark.parametrize("place", ["", "inner"])
def test_rule_of_an_inner_ignore_file_is_taken_back_there(repository: Path, place: str) -> None:
    """The workspace may be a folder of the repository."""
    root = repository / place
    for path in (*PATHS, *THEIRS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    (root / "scripts/.gitignore").write_text("*\n")
    (root / ".vscode/.gitignore").write_text("extensions/\n!/*.json\n")
    (repository / ".gitignore").write_text(".devcontainer/\n")
    messages = git_ignored.messages(root, PATHS, False, whole=(EXTENSION,))
    for message in messages:
        file, _, lines = message.rpartition(" at the end of ")[2].partition(": ")
        with (root / file).open("a") as stream:
            stream.write("".join(f"{line}\n" for line in re.findall("`(.*?)`", lines)))
    files = {message.rpartition(" at the end of ")[2].partition(": ")[0] for message in messages}
    assert files == {".gitignore", "scripts/.gitignore", ".vscode/.gitignore"}
    assert git_ignored.ignored(root, PATHS) == {}
    assert ".vscode/extensions/other.json" in git_ignored.ignored(root, THEIRS)


def test_path_of_a_pattern_is_taken_as_it_is() -> None:
    assert git_ignored.lines_to_keep(["a[1]/*?.txt"], {"a[1]"}) == [
        "!/a\\[1]/",
        "/a\\[1]/*",
        "!/a\\[1]/\\*\\?.txt",
    ]


def test_files_that_exist_are_not_lost_nor_are_those_that_git_would_keep(repository: Path) -> None:
    (repository / ".gitignore").write_text(".vscode/\n")
    assert git_ignored.lost(repository, PATHS) == {}
    (repository / ".vscode/tasks.json").unlink()
    (repository / "scripts/loop").unlink()
    lost = git_ignored.lost(repository, PATHS)
    assert list(lost) == [".vscode/tasks.json"] and ".gitignore:1" in lost[".vscode/tasks.json"]


def test_of_new_names_those_that_exist_and_that_git_ignores(repository: Path) -> None:
    (repository / ".gitignore").write_text("scripts/loop\n.vscode/tasks.json\n")
    git(repository, "add", "-f", ".vscode/tasks.json")
    paths = [*PATHS, "scripts/loop.cmd"]
    (message,) = git_ignored.of_new(repository, paths)
    assert "git ignores scripts/loop because of `scripts/loop` in .gitignore:1" in message
    assert git_ignored.of_new(repository, ["nowhere"]) == []
    assert git_ignored.of_new(repository.parent, ["a b/scripts/loop"]) == []


def test_folder_in_no_repository_has_no_kept_files(tmp_path: Path) -> None:
    assert git_ignored.kept_files(tmp_path) is None
