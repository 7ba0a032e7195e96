"""Metrics in the formats of TensorBoard, MLflow, trackio, Lightning and Hugging Face's trainer."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.history import (
    event_files,
    growing_files,
    sqlite_tables,
    trainer_logs,
    written_metrics,
)

NAN, INF = math.nan, math.inf
# Files that real programs wrote, by their versions.
RECORDED = Path(__file__).parent / "recorded"


def record(content: bytes) -> bytes:
    header = struct.pack("<Q", len(content))
    return header + struct.pack("<I", event_files._masked(header)) + content + b"\0\0\0\0"


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def scalar(tag: str, step: int, value: float, *, tensor: bool = False) -> bytes:
    held = (
        field(8, b"\x08\x01" + field(4, struct.pack("<f", value)))
        if tensor
        else b"\x15" + struct.pack("<f", value)
    )
    summary = field(1, field(1, tag.encode()) + held)
    return record(
        b"\x09" + struct.pack("<d", 1.7e9 + step) + bytes([0x10, step]) + field(5, summary)
    )


def put(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


EVENTS = "events.out.tfevents.1700000000.host.1.0"


def shown(values: tuple[float, ...]) -> list[str]:
    return [f"{value:g}" for value in values]


def test_event_file_has_scalars_of_both_forms_and_no_torn_end(tmp_path: Path) -> None:
    image = record(b"\x0a" + b"x" * 70_000)
    text = (
        scalar("loss", 0, 1.0) + image + scalar("loss", 1, NAN) + scalar("t", 1, 2.0, tensor=True)
    )
    put(tmp_path, f"beside-outputs/runs/{EVENTS}", text + scalar("loss", 2, 3.0)[:-7])
    found = written_metrics.read(tmp_path)
    assert set(found.series) == {"loss", "t"}
    loss = found.series["loss"]
    assert (shown(loss.values), loss.steps, loss.times) == (
        ["1", "nan"],
        (0, 1),
        (1.7e9, 1.7e9 + 1),
    )
    assert loss.source == f"beside-outputs/runs/{EVENTS}"
    assert math.isnan(found.scores["loss"]) and found.scores["t"] == 2


@given(st.lists(st.integers(0, 1000), max_size=6))
def test_event_file_that_grows_is_read_on(cuts: list[int]) -> None:
    image = record(b"\x0a" + b"x" * 70_000)
    records = [scalar("a", 0, 1.0), image, scalar("b", 1, 2.0), scalar("a", 2, 3.0), image]
    text = b"".join([*records, scalar("a", 3, 4.0)])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(growing_files, "SHORT", 0)
        path = Path(folder) / EVENTS
        for cut in [*sorted(cuts), 1000]:
            path.touch()
            with open(path, "ab") as file:
                file.write(text[path.stat().st_size : len(text) * cut // 1000])
            grown = written_metrics.read(Path(folder))
            with pytest.MonkeyPatch.context() as forgotten:
                forgotten.setattr(growing_files, "_kept", {})
                assert repr(written_metrics.read(Path(folder))) == repr(grown)
    assert grown.series["a"].values == (1, 3, 4)


def test_event_file_with_too_many_scalars_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing_files, "SHORT", 0)
    monkeypatch.setattr(event_files, "MOST", 3)
    path = put(tmp_path, EVENTS, b"".join(scalar("a", step, 1.0) for step in range(9)))
    for _ in range(2):
        found = written_metrics.read(tmp_path)
        assert found.problems == (f"{EVENTS}: the file has more than 3 scalars",)
        assert growing_files._kept[str(path)].end == 4 * len(scalar("a", 0, 1.0))


def test_event_files_of_several_folders_have_their_names(tmp_path: Path) -> None:
    put(tmp_path, f"logs/train/{EVENTS}", scalar("loss", 0, 1.0) + scalar("rate", 0, 0.5))
    put(tmp_path, f"logs/val/{EVENTS}", scalar("loss", 0, 2.0))
    put(tmp_path, f"logs/val/{EVENTS.replace('17', '18')}", scalar("loss", 1, 1.5))
    found = written_metrics.read(tmp_path)
    assert found.scores == {"train/loss": 1, "val/loss": 1.5, "rate": 0.5}
    assert found.series["val/loss"].steps == (0, 1)


@given(st.binary(max_size=60))
def test_event_file_of_any_bytes_is_no_traceback(content: bytes) -> None:
    list(event_files._scalars(content))
    tag = scalar("loss", 1, 2.0)
    list(event_files._scalars(tag[12:-4] + content))


def mlflow(folder: Path, rows: list[tuple[Any, ...]]) -> None:
    connection = sqlite3.connect(folder / "mlflow.db")
    connection.execute("CREATE TABLE runs (run_uuid TEXT, start_time INTEGER)")
    connection.executemany("INSERT INTO runs VALUES (?, ?)", [("old", 1), ("new", 2)])
    connection.execute(
        "CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, "
        "step INTEGER, is_nan INTEGER)"
    )
    connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()


def test_mlflow_database_has_the_last_run_of_each_metric(tmp_path: Path) -> None:
    mlflow(
        tmp_path,
        [
            ("loss", 9.0, 1000, "old", 0, 0),
            ("alone", 1.7976931348623157e308, 1000, "old", 0, 0),
            ("loss", 0.0, 3000, "new", 1, 1),
            ("loss", 2.0, 2000, "new", 0, 0),
        ],
    )
    found = written_metrics.read(tmp_path)
    assert shown(found.series["loss"].values) == ["2", "nan"]
    assert found.series["loss"].times == (2.0, 3.0)
    assert found.scores["alone"] == INF and found.problems == ()


def test_mlflow_files_are_named_by_their_path(tmp_path: Path) -> None:
    put(tmp_path, "mlruns/0/ab/metrics/val/acc", "1000 0.5 3\n2000 nan 4\n")
    put(tmp_path, "mlruns/0/ab/params/rate", "1")
    found = written_metrics.read(tmp_path)
    assert list(found.series) == ["val/acc"] and found.series["val/acc"].steps == (3, 4)


@pytest.mark.parametrize(
    ("content", "problems"),
    [(b"", 0), (b"no database", 0), (b"SQLite format 3\0" + b"\xff" * 5000, 1)],
)
def test_file_that_is_no_database_of_mlflow(tmp_path: Path, content: bytes, problems: int) -> None:
    put(tmp_path, "mlflow.db", content)
    found = written_metrics.read(tmp_path)
    assert (found.scores, len(found.problems)) == ({}, problems)


def test_database_whose_view_never_ends_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_tables, "MOST_STEPS", 2)
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE runs (run_uuid TEXT, start_time INTEGER)")
    connection.execute(
        "CREATE VIEW metrics AS WITH RECURSIVE n(key) AS (SELECT 1 UNION ALL SELECT key + 1 FROM n) "
        "SELECT key, 1 AS value, 0 AS is_nan, 1 AS step, 1 AS timestamp, '' AS run_uuid FROM n"
    )
    connection.commit()
    connection.close()
    assert "interrupted" in written_metrics.read(tmp_path).problems[0]


def trackio(path: Path, rows: list[tuple[str, int, str | bytes]]) -> None:
    """A project's database, as trackio 0.43 makes it, with its write-ahead log at an end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute(
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, "
        "timestamp TEXT NOT NULL, run_name TEXT NOT NULL, step INTEGER NOT NULL, "
        "metrics TEXT NOT NULL, log_id TEXT, space_id TEXT)"
    )
    connection.executemany(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) "
        "VALUES ('x', '2026-01-02T03:04:05.5+00:00', ?, ?, ?)",
        rows,
    )
    connection.commit()
    connection.close()


def test_trackio_database_has_the_last_run_of_each_metric(tmp_path: Path) -> None:
    other = '{"_type":"trackio.histogram","bins":[1]}'
    trackio(
        tmp_path / "trackio" / "line.db",
        [
            ("one", 0, b'{"loss":9,"alone":1}'),
            ("two", 0, b'{"loss":0.5,"name":"x","flag":true,"in":{"a":{"b":2}}}'),
            ("two", 7, f'{{"loss":"NaN","top":"-Infinity","h":{other}}}'),
            ("two", 8, b"[1]"),
            ("two", 9, b'{"loss'),
        ],
    )
    found = written_metrics.read(tmp_path)
    loss = found.series["loss"]
    assert (shown(loss.values), loss.steps) == (["0.5", "nan"], (0, 7))
    assert loss.times == (1767323045.5,) * 2
    assert {**found.scores, "loss": 0} == {"loss": 0, "alone": 1, "in/a/b": 2, "top": -INF}
    # Nothing is made beside what a run left.
    assert [path.name for path in (tmp_path / "trackio").iterdir()] == ["line.db"]


def test_trackio_database_is_read_while_it_is_written(tmp_path: Path) -> None:
    trackio(tmp_path / "line.db", [("one", 0, '{"loss":2}')])
    connection = sqlite3.connect(tmp_path / "line.db")
    connection.execute("UPDATE metrics SET metrics = ?", ('{"loss":1}',))
    connection.commit()
    assert (tmp_path / "line.db-wal").exists()
    assert written_metrics.read(tmp_path).scores == {"loss": 1}
    connection.close()


def test_database_of_another_program_is_not_named(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "cache.db").execute("CREATE TABLE metrics (x)").connection.close()
    put(tmp_path, "broken.db", b"SQLite format 3\0" + b"\xff" * 5000)
    put(tmp_path, "trackio/line.db", b"SQLite format 3\0" + b"\xff" * 5000)
    found = written_metrics.read(tmp_path)
    assert (found.scores, len(found.problems)) == ({}, 1)


TABLE = "epoch,step,train_loss,val_acc\n0,9,1.5,\n0,9,,0.5\n1,19,nan,\n1,1"


def test_table_of_lightning_has_no_empty_cells_and_no_torn_line(tmp_path: Path) -> None:
    put(tmp_path, "beside-outputs/lightning_logs/version_0/metrics.csv", TABLE)
    found = written_metrics.read(tmp_path)
    loss, acc = found.series["train_loss"], found.series["val_acc"]
    assert (shown(loss.values), loss.steps, loss.epochs) == (["1.5", "nan"], (9, 19), (0, 1))
    assert (acc.values, acc.steps) == ((0.5,), (9,))


def test_table_that_lightning_wrote_has_every_metric_at_its_step(tmp_path: Path) -> None:
    """Written by `CSVLogger` of lightning 2.6.6: three epochs of fit with validation, then test."""
    written = (RECORDED / "lightning-2.6.6/metrics.csv").read_bytes()
    assert written.startswith(b"epoch,late,lr,step,test_acc,") and written.count(b"\r\n") == 14
    (tmp_path / "lightning_logs/version_0").mkdir(parents=True)
    (tmp_path / "lightning_logs/version_0/metrics.csv").write_bytes(written)
    found = written_metrics.read(tmp_path)
    assert {name: series.steps for name, series in found.series.items()} == {
        "lr": (1, 3, 5, 7, 9, 11),
        "late": (5, 7, 9, 11),  # a column that came later: Lightning wrote the file again
        "train/loss_step": (1, 3, 5, 7, 9, 11),
        "train/loss_epoch": (3, 7, 11),
        "val/loss": (3, 7, 11),
        "test_acc": (12,),
    }
    assert found.series["val/loss"].epochs == (0, 1, 2)
    assert found.series["test_acc"].epochs == (3,)
    assert all(math.isnan(value) for value in found.series["late"].values)
    assert found.scores["val/loss"] == 0.5195620059967041
    assert (found.scores["test_acc"], found.problems) == (0.5, ())


def test_newest_version_of_a_table_counts(tmp_path: Path) -> None:
    for version, age in ((0, 10), (1, 20)):
        path = put(
            tmp_path, f"lightning_logs/version_{version}/metrics.csv", f"step,a\n1,{version}\n"
        )
        os.utime(path, (age, age))
    assert written_metrics.read(tmp_path).scores == {"a": 1.0}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0\n", 'step,"\n'])
def test_table_of_something_else_has_no_metrics(text: str) -> None:
    assert trainer_logs.read_table(text, "metrics.csv").scores == {}


def test_state_of_the_last_step_of_a_trainer_counts(tmp_path: Path) -> None:
    log = [{"epoch": 0.5, "step": 10, "loss": 2.0}, {"epoch": 1.0, "step": 20, "eval_loss": NAN}]
    put(
        tmp_path,
        "checkpoint-20/trainer_state.json",
        json.dumps({"global_step": 20, "log_history": log}),
    )
    early = {"global_step": 10, "log_history": [{"step": 10, "loss": 5.0}]}
    put(tmp_path, "checkpoint-10/trainer_state.json", json.dumps(early))
    found = written_metrics.read(tmp_path)
    assert found.scores["loss"] == 2 and math.isnan(found.scores["eval_loss"])
    assert found.series["loss"].epochs == (0.5,)


def test_first_source_of_a_metric_counts_and_parts_are_runs_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, f"tb/{EVENTS}", b"" + scalar("loss", 0, 5.0) + scalar("only", 0, 6.0))
    put(tmp_path, "logs/metrics.csv", "step,loss,c\n1,4,7\n")
    put(
        tmp_path,
        "trainer_state.json",
        json.dumps({"log_history": [{"step": 1, "loss": 3, "c": 8}]}),
    )
    put(tmp_path, "metrics.jsonl", '{"loss": 2}\n')
    put(tmp_path, "trial-1/.run/run.json", "{}")
    put(tmp_path, "trial-1/metrics.csv", "step,other\n1,1\n")
    assert written_metrics.read(tmp_path).scores == {"loss": 2, "c": 8, "only": 6}
    put(tmp_path, "mlruns/0/ab/metrics/loss", "1 1.0 0\n")
    assert written_metrics.read(tmp_path).scores == {"loss": 1, "c": 8, "only": 6}


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
def test_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("metrics.csv", "trainer_state.json", "mlflow.db", EVENTS):
        os.mkfifo(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path)
    assert written_metrics.read(tmp_path).scores == {}
