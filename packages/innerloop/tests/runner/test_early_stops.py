"""Which running trials of a sweep end early, by the files that they write."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from innerloop.history import metrics, recorder
from innerloop.history.followed_metric import FollowedMetric
from innerloop.model.jobs.early_termination import Policy
from innerloop.model.jobs.job import parse_job
from innerloop.runner.early_stops import EarlyStops

SWEEP = """type: sweep
trial: {command: echo, environment: {image: busybox}}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
"""
BANDIT = Policy("bandit", evaluation_interval=2, slack_amount=0.5)


def report(folder: Path, *values: float) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps({"loss": value}) + "\n" for value in values)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.mkdir()
    return paths


def test_stops_ends_a_trial_once_when_others_get_as_far(folders: list[Path]) -> None:
    stops = EarlyStops(BANDIT, "loss", "minimize")
    for folder in folders[:2]:
        stops.begun(folder.name, folder)
    report(folders[1], 3.0, 2.9, 2.8)
    assert stops.look() == {}  # alone at its reports
    report(folders[0], 1.0)
    assert look(stops) == {}
    report(folders[0], 0.9)
    (name, reason), *more = look(stops).items()
    assert (name, more) == ("b", []) and reason.startswith("bandit at report 2: ")
    assert "2.9" in reason and "1.4" in reason
    assert look(stops) == {}  # it is asked once
    assert stops.ended("b") == reason and stops.ended("a") == ""
    # What has ended counts for a later trial, with all that it has written.
    stops.begun("c", folders[2])
    report(folders[2], 1.6, 1.5)
    assert list(look(stops)) == ["c"]
    assert stops.note() == ""


def look(stops: EarlyStops) -> dict[str, str]:
    """What ends now, however soon after the last look."""
    for one in stops._trials.values():
        one.metric._rest_until = 0.0
    return stops.look()


def test_stops_without_reports_say_what_to_write(folders: list[Path]) -> None:
    stops = EarlyStops(BANDIT, "loss", "minimize")
    assert stops.note() == ""  # nothing has run
    stops.begun("a", folders[0])
    (folders[0] / "metrics.json").write_text('{"loss": 1}')
    assert stops.look() == {} and stops.ended("a") == ""
    assert "metrics.jsonl" in stops.note() and '"loss"' in stops.note()


def test_stops_need_a_policy_and_a_metric() -> None:
    job = parse_job(SWEEP, "job.yaml")
    assert EarlyStops.of(job, BANDIT) is None
    job = parse_job(f"{SWEEP}objective: {{goal: Maximize, primary_metric: acc}}\n", "job.yaml")
    assert EarlyStops.of(job, None) is None
    stops = EarlyStops.of(job, BANDIT)
    assert stops is not None and (stops.metric, stops.goal) == ("acc", "maximize")


def test_followed_metric_grows_and_takes_nothing_back(tmp_path: Path) -> None:
    followed = FollowedMetric(tmp_path / "later", "test/acc")
    assert followed.look(is_last=True) == ()
    folder = followed.folder
    (folder / "mlruns/0/run/metrics/test").mkdir(parents=True)
    file = folder / "mlruns/0/run/metrics/test/acc"
    file.write_text("1700000000000 0.5 0\n1700000001000 0.75 1\n")
    assert followed.look(is_last=True) == (0.5, 0.75)
    file.write_text("")
    assert followed.look(is_last=True) == (0.5, 0.75)


def test_curve_is_found_in_each_format(tmp_path: Path) -> None:
    assert metrics.curve(tmp_path, "loss") == ()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/history.jsonl").write_text('{"loss": 3}\n{"loss": 2}\n{"loss": ')
    assert metrics.curve(tmp_path, "loss") == (3.0, 2.0)
    (tmp_path / "metrics.csv").write_text("epoch,loss\n0,4\n1,\n2,1\n3,0.")
    assert metrics.curve(tmp_path, "loss") == (4.0, 1.0)
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.executescript(
        "CREATE TABLE runs (run_uuid TEXT, start_time INT);"
        "CREATE TABLE metrics (key TEXT, value REAL, is_nan INT, step INT, timestamp INT, run_uuid TEXT);"
        "INSERT INTO runs VALUES ('r', 1);"
        "INSERT INTO metrics VALUES ('loss', 7, 0, 0, 1, 'r'), ('loss', 6, 0, 1, 2, 'r');"
    )
    connection.close()
    assert metrics.curve(tmp_path, "loss") == (7.0, 6.0)


def test_mark_of_an_early_stop_keeps_the_record(tmp_path: Path) -> None:
    recorder.mark_stopped_early(tmp_path, "why")
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / recorder.RECORD
    path.parent.mkdir()
    path.write_text('{"run": "r", "exit_code": 143, "unknown": [1]}')
    recorder.mark_stopped_early(tmp_path, "why")
    assert json.loads(path.read_text()) == {
        "run": "r", "exit_code": 143, "unknown": [1], "stopped_early": "why"
    }  # fmt: skip
    path.write_text("no record")
    recorder.mark_stopped_early(tmp_path, "why")
    assert path.read_text() == "no record"
