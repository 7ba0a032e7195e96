"""What macOS does otherwise, where the code that meets it is pure enough to run anywhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from innerloop.util import files, process, process_identity
from innerloop.workspace.root import typed_below

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systems of Unix")


def test_content_is_flushed_to_the_disk_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def control(number: int, command: int, *_: Any) -> int:
        asked.append(command)
        return 0

    monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(files.fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda number: asked.append(-1))
    files.write_text(tmp_path / "a", "text")
    assert 51 in asked and -1 not in asked


def test_file_system_without_a_full_flush_is_flushed_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(*_: Any) -> int:
        raise OSError(45, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(files.fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", asked.append)
    files.write_text(tmp_path / "a", "text")
    assert asked


def test_process_is_the_same_in_another_language_and_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ps` says when it started, as the variables of whoever asks have it."""
    monkeypatch.setattr(process_identity.sys, "platform", "darwin")
    starts = []
    for zone, language in (("UTC0", "C"), ("Asia/Tokyo", "de_DE.UTF-8"), ("EST5EDT", "fr_FR")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", language)
        starts.append(process_identity.own())
    assert len(set(starts)) == 1 and starts[0].start
    assert {process_identity.life(one) for one in starts} == {"alive"}


def test_machine_keeps_its_name_in_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_identity.sys, "platform", "darwin")
    names = set()
    for name in ("studio.local", "studio.fritz.box", "studio"):
        monkeypatch.setattr(os, "uname", lambda name=name: os.uname_result(("", name, "", "", "")))
        names.add(process_identity.here())
    assert names == {"studio"}


def test_processes_are_listed_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.glob, "glob", lambda pattern: [])
    child = process.subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    try:
        assert child.pid in process.descendants(os.getpid())
    finally:
        child.communicate(b"\n", timeout=60)


@pytest.mark.parametrize("typed", ["real/work", "seen/work", "seen/../real/work", "work"])
def test_path_below_the_workspace_is_found_however_it_is_typed(
    tmp_path: Path, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/var is a link to /private/var: the workspace's path is resolved, what is typed is not."""
    root = tmp_path.resolve() / "real/work"
    (root / "src/a").mkdir(parents=True)
    (tmp_path / "seen").symlink_to("real")
    (tmp_path / "work").symlink_to("seen/work")
    (root / "src/inner").symlink_to("a")
    assert typed_below(root, tmp_path / typed) == "."
    assert typed_below(root, tmp_path / typed / "src/a/new.yaml") == "src/a/new.yaml"
    assert typed_below(root, tmp_path / typed / "src/inner/x") == "src/inner/x"
    monkeypatch.chdir(tmp_path / typed / "src")
    assert typed_below(root, "a") == "src/a"


def test_path_outside_of_the_workspace_is_not_below_it(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "work"
    root.mkdir()
    for other in (tmp_path, tmp_path / "works/a", tmp_path / "work/../x", Path("/")):
        assert typed_below(root, other) is None
