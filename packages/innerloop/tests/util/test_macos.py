"""What macOS does otherwise, where the code that meets it is pure enough to run anywhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from innerloop.model.workspace import same_letters
from innerloop.util import files, process, process_identity
from innerloop.workspace import loader
from innerloop.workspace.root import as_on_disk, typed_below

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


ONE, TWO = "caf\u00e9", "cafe\u0301"


def test_path_in_other_letters_is_the_one_that_the_folders_list() -> None:
    listed = {"": ["Readme", "src"], "src": [TWO, "tiny"], "src/tiny": ["azure-ml-job.yaml"]}

    def names(folder: Path) -> list[str]:
        return listed.get(folder.relative_to("/ws").as_posix().lstrip("."), [])

    root = Path("/ws")
    assert as_on_disk(root, "Src/TINY/Azure-ml-job.yaml", names) == "src/tiny/azure-ml-job.yaml"
    assert as_on_disk(root, f"src/{ONE.upper()}/x", names) == f"src/{TWO}/x"
    assert as_on_disk(root, "other/x", names) == "other/x"


def test_experiment_is_found_by_either_form_of_its_letters() -> None:
    assert same_letters(ONE, [TWO, "tiny"]) == TWO
    assert same_letters(TWO, [ONE]) == ONE
    assert same_letters(ONE, [TWO, ONE]) == ONE
    assert same_letters("tiny", ["Tiny"]) is None
    assert same_letters("cafe", [ONE]) is None


def test_job_file_is_found_by_a_path_that_other_links_lead_to(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "real"
    for path in ("src/tiny/azure-ml-job.yaml", "src/tiny/environment/Dockerfile", "pyproject.toml"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("FROM scratch\n" if path.endswith("file") else "")
    (tmp_path / "seen").symlink_to("real")
    workspace = loader.open_workspace(root)
    typed = str(tmp_path / "seen/src/tiny/azure-ml-job.yaml")
    experiment, file = loader.choose_job(workspace, typed, None, root)
    assert (experiment.name, file) == ("tiny", "azure-ml-job.yaml")
    program = str(tmp_path / "seen/src/tiny/train.py")
    assert loader.choose_experiment(workspace, program, root).name == "tiny"
