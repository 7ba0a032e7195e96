"""The one line about what a run wrote beside ./outputs."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.model.run import Run
from innerloop.runner import written_files
from tests.local.test_docker_request import run_of


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    code = tmp_path / "src/line"
    put(code, "train.py", "data/a", "data/b", ".venv/pyvenv.cfg", "env/pyvenv.cfg")
    old = time.time() - 3600
    for path in code.rglob("*"):
        os.utime(path, (old, old))
    return run_of(str(tmp_path))


def test_line_of_a_run_that_wrote_nothing_is_empty(run: Run) -> None:
    before = written_files.before(run, time.time())
    put(Path(str(run.code)), "outputs/x", "__pycache__/x.pyc", ".venv/y", "env/z", "x.egg-info/a")
    put(Path(str(run.code)), "data/__pycache__/x.pyc", ".pytest_cache/x")
    assert written_files.line(run, before) == ""


def test_line_names_what_is_beside_outputs_and_what_changed_in_the_code(run: Run) -> None:
    before = written_files.before(run, time.time())
    code, root = Path(str(run.code)), Path(run.workspace.root)
    put(root / "outputs/line/1/beside-outputs", "logs/a", "logs/b/c", "best.ckpt")
    put(code, "data/new", "train.py")
    (code / "data/a").unlink()
    assert written_files.line(run, before) == (
        "the program wrote logs/ (2 files), best.ckpt beside ./outputs, where Azure ML keeps nothing: "
        "in outputs/line/1/beside-outputs/; in src/line while it ran: new data/ (1 file), "
        "changed train.py, removed data/ (1 file)"
    )


def test_line_names_the_first_of_many(run: Run) -> None:
    before = written_files.before(run, time.time())
    put(Path(run.workspace.root, "outputs/line/1/beside-outputs"), *map(str, range(9)))
    assert "wrote 0, 1, 2, 3, 4 and 4 more beside" in written_files.line(run, before)


def test_line_without_a_code_folder_names_what_is_beside_outputs(run: Run) -> None:
    run = replace(run, code=None)
    put(Path(run.workspace.root, "outputs/line/1/beside-outputs"), "stray")
    assert "wrote stray beside" in written_files.line(run, written_files.before(run, 0))


def test_code_folder_of_very_many_files_is_not_looked_through(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_files, "MOST", 2)
    before = written_files.before(run, time.time())
    put(Path(str(run.code)), "new")
    assert written_files.line(run, before) == ""


def test_line_of_parts_counts_the_files_of_each(tmp_path: Path) -> None:
    put(
        tmp_path / "outputs/line/1", "train/beside-outputs/a", "train/beside-outputs/b/c", "x/model"
    )
    put(tmp_path / "outputs/line/1", "tune/trial-1/beside-outputs/a")
    line = written_files.line_of_parts(tmp_path, "outputs/line/1")
    assert "by train (2), tune/trial-1 (1): in outputs/line/1/<name>/beside-outputs/" in line
    assert written_files.line_of_parts(tmp_path, "outputs/line/2") == ""


def test_changes_of_any_folder_are_named_and_nothing_is_empty(tmp_path: Path) -> None:
    put(tmp_path / "notebooks", "old.ipynb")
    os.utime(tmp_path / "notebooks/old.ipynb", (1, 1))
    state = written_files.before_in(str(tmp_path / "notebooks"), time.time())
    assert written_files.changes(str(tmp_path), state) == ""
    put(tmp_path / "notebooks", "new.ckpt", ".ipynb_checkpoints/x")
    changes = written_files.changes(str(tmp_path), state)
    assert changes == "in notebooks while it ran: new new.ckpt"


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_line_escapes_a_line_break_in_a_name(run: Run) -> None:
    before = written_files.before(run, time.time())
    beside = Path(run.workspace.root, "outputs/line/1/beside-outputs")
    put(beside, "a\ninnerloop: b", "c\nd/e")
    line = written_files.line(run, before)
    assert line.startswith(r"the program wrote c\nd/ (1 file), a\ninnerloop: b beside ./outputs")
