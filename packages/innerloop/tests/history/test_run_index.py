"""A run that changed shows, whatever the index holds; one that did not is not read again."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop.history import past_runs, run_index, run_notes, written_metrics
from innerloop.history.past_runs import PastRun
from innerloop.history.run_metrics import RunMetrics

RECORD = {"experiment": "tiny", "exit_code": 0, "started": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run_index, "FEW", 1)
    for number in range(4):
        add(tmp_path / "work", f"run{number}", number)
    (tmp_path / "work/outputs/tiny/run1/logs/version_0").mkdir(parents=True)
    return tmp_path / "work"


def add(root: Path, name: str, score: float, **record: object) -> Path:
    folder = root / "outputs" / "tiny" / name
    (folder / ".run").mkdir(parents=True)
    (folder / ".run" / "run.json").write_text(json.dumps(RECORD | {"run": name} | record))
    (folder / "metrics.json").write_text(json.dumps({"accuracy": score, "loss": None}))
    return folder


def settle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are older than the time within which two changes look like one."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10**9)


def scores(root: Path) -> dict[str, float]:
    return {run.id: run.scores.get("accuracy", -1) for run in past_runs.find(root)}


def index_of(root: Path) -> list[Path]:
    return list((root.parent / "cache" / "runs").glob("*"))


def reads(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that `find` reads from their files."""
    names: list[str] = []
    real = past_runs.read

    def noted(root: Path, slug: str, folder: Path) -> PastRun:
        names.append(folder.name)
        return real(root, slug, folder)

    monkeypatch.setattr(past_runs, "read", noted)
    past_runs.find(root)
    monkeypatch.setattr(past_runs, "read", real)
    return names


def test_runs_that_did_not_change_are_not_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(root, monkeypatch)
    before = past_runs.find(root)
    assert len(index_of(root)) == 1
    assert reads(root, monkeypatch) == []
    assert past_runs.find(root) == before
    assert [run.json() for run in past_runs.find(root)] == [run.json() for run in before]


def test_open_run_is_read_each_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = {"pid": os.getpid(), "start": "1", "host": "elsewhere"}
    add(root, "open", 1, exit_code=None, tool=tool)
    settle(root, monkeypatch)
    past_runs.find(root)
    assert reads(root, monkeypatch) == ["open"]


def test_run_that_just_changed_is_read_each_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_index, "SETTLED_NS", 3600 * 10**9)  # however long this test takes
    past_runs.find(root)
    assert not index_of(root)
    assert len(reads(root, monkeypatch)) == 4


def _same_size(root: Path) -> None:
    path = root / "outputs/tiny/run1/metrics.json"
    status = path.stat()
    path.write_text(path.read_text().replace("1", "7"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _step(root: Path) -> None:
    shutil.copytree(root / "outputs/tiny/run1", root / "outputs/tiny/run2/step")


def _replaced(root: Path) -> None:
    shutil.rmtree(root / "outputs/tiny/run1")
    add(root, "run1", 9)


CHANGES: dict[str, Callable[[Path], object]] = {
    "score": lambda root: (root / "outputs/tiny/run1/metrics.json").write_text('{"accuracy": 5}'),
    "score of the same size and time": _same_size,
    "no scores": lambda root: (root / "outputs/tiny/run1/metrics.json").unlink(),
    "curves": lambda root: (root / "outputs/tiny/run1/metrics.jsonl").write_text('{"loss": 1}\n'),
    "file in a folder below": lambda root: (
        root / "outputs/tiny/run1/logs/version_0/metrics.csv"
    ).write_text("epoch,loss\n1,0.5\n"),
    "notes": lambda root: run_notes.change(
        root, root / "outputs/tiny/run1", lambda old: old.with_tags(["best"])
    ),
    "removed": lambda root: shutil.rmtree(root / "outputs/tiny/run1"),
    "renamed": lambda root: (root / "outputs/tiny/run1").rename(root / "outputs/tiny/other"),
    "new": lambda root: add(root, "new", 1),
    "replaced": _replaced,
    "step": _step,
    "damaged": lambda root: (root / "outputs/tiny/run1/.run/run.json").write_text("{"),
    "another experiment": lambda root: (root / "outputs/tiny").rename(root / "outputs/large"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_run_shows(root: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(root, monkeypatch)
    before = past_runs.find(root)
    assert index_of(root)
    CHANGES[change](root)
    found = past_runs.find(root)
    shutil.rmtree(root.parent / "cache")
    assert found == past_runs.find(root)
    assert found != before


def test_curves_are_read_when_somebody_looks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = root / "outputs/tiny/run1/metrics.jsonl"
    lines.write_text('{"step": 1, "rate": 0.5}\n{"step": 2, "rate": 0.25}\n')
    settle(root, monkeypatch)
    before = {run.id: dict(run.series) for run in past_runs.find(root)}
    looked_at: list[str] = []
    real = written_metrics.read

    def noted(folder: Path) -> RunMetrics:
        looked_at.append(folder.name)
        return real(folder)

    monkeypatch.setattr(written_metrics, "read", noted)
    runs = {run.id: run for run in past_runs.find(root)}
    assert [(name, len(run.series)) for name, run in runs.items()] == [
        ("run0", 0), ("run1", 1), ("run2", 0), ("run3", 0),
    ]  # fmt: skip
    assert looked_at == []
    assert runs["run1"].curves == {"rate": ((1.0, 0.5), (2.0, 0.25))}
    assert looked_at == ["run1"]
    assert {name: dict(run.series) for name, run in runs.items()} == before


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04N.", b"\x80\x05K\x01."])
def test_damaged_index_is_made_anew(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(root, monkeypatch)
    expected = scores(root)
    (path,) = index_of(root)
    path.write_bytes(content)
    assert scores(root) == expected
    assert path.read_bytes() != content


def test_few_runs_have_no_index(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_index, "FEW", 4)
    settle(root, monkeypatch)
    past_runs.find(root)
    assert not index_of(root)


def test_runs_of_one_experiment_leave_those_of_others_in_the_index(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root / "outputs/tiny", root / "outputs/large")
    settle(root, monkeypatch)
    past_runs.find(root)
    for number in range(4, 8):
        add(root, f"run{number}", number)
    past_runs.find(root, "tiny")
    assert reads(root, monkeypatch) == []
