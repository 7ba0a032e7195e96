"""The names that a key press gets are those of the workspace, also after each kind of change."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop.workspace import experiment_names, loader

DOCKERFILE = "environment/Dockerfile"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work" / "src").mkdir(parents=True)
    (tmp_path / "work" / "pyproject.toml").write_text("[tool.innerloop]\n")
    for name in ("first", "team/second"):
        add(tmp_path / "work", name)
    return tmp_path / "work"


def add(root: Path, name: str) -> None:
    path = root / "src" / name / DOCKERFILE
    path.parent.mkdir(parents=True)
    path.write_text("FROM python:3.11\n")


def settle(root: Path) -> None:
    """Let all folders be older than the time within which two changes look like one."""
    before = time.time() - 10
    for folder in [root / "src", *(root / "src").rglob("*")]:
        if folder.is_dir() and not folder.is_symlink():
            os.utime(folder, (before, before))


def is_kept(root: Path) -> bool:
    return any((root.parent / "cache" / "names").glob("*.json"))


def test_names_are_read_once_and_then_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(root)
    assert list(experiment_names.names(root)) == ["first", "team/second"]

    def refuse(root: Path) -> None:
        raise AssertionError("the workspace is read again")

    monkeypatch.setattr(loader, "open_workspace", refuse)
    assert list(experiment_names.names(root)) == ["first", "team/second"]


def _declare(root: Path) -> None:
    (root / "more").mkdir()
    (root / "more" / "Dockerfile").write_text("FROM python:3.11\n")
    (root / "pyproject.toml").write_text(
        '[tool.innerloop.experiments.more]\nfolder = "more"\nenvironment = "more/Dockerfile"\n'
    )


def _link(root: Path) -> None:
    (root / "elsewhere" / "environment").mkdir(parents=True)
    (root / "elsewhere" / DOCKERFILE).write_text("FROM python:3.11\n")
    (root / "src" / "linked").symlink_to("../elsewhere")


CHANGES: dict[str, Callable[[Path], object]] = {
    "new": lambda root: add(root, "third"),
    "new in a folder": lambda root: add(root, "team/third"),
    "removed": lambda root: shutil.rmtree(root / "src/first"),
    "renamed": lambda root: (root / "src/first").rename(root / "src/other"),
    "no environment any more": lambda root: (root / "src/first" / DOCKERFILE).unlink(),
    "environment moved": lambda root: (root / "src/first/environment").rename(root / "gone"),
    "folder moved": lambda root: (root / "src/team").rename(root / "src/group"),
    "without src": lambda root: (root / "src").rename(root / "away"),
    "declared": _declare,
    "linked": _link,
}


@pytest.mark.parametrize("change", CHANGES)
def test_names_after_a_change_are_those_of_the_workspace(root: Path, change: str) -> None:
    settle(root)
    experiment_names.names(root)
    assert is_kept(root)
    before = loader.open_workspace(root).experiments
    CHANGES[change](root)
    expected = loader.open_workspace(root).experiments
    assert expected != before
    assert list(experiment_names.names(root)) == list(expected)


def test_names_of_folders_that_just_changed_are_not_kept(root: Path) -> None:
    assert list(experiment_names.names(root)) == ["first", "team/second"]
    assert not is_kept(root)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"root": 1}', b"\xff", b'{"folders": []}'])
def test_damaged_file_of_names_is_read_over(root: Path, content: bytes) -> None:
    settle(root)
    experiment_names.names(root)
    (path,) = (root.parent / "cache" / "names").glob("*.json")
    path.write_bytes(content)
    assert list(experiment_names.names(root)) == ["first", "team/second"]
