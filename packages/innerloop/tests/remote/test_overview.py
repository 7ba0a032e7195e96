"""The rows of `loop status`."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from innerloop.remote import overview
from innerloop.remote.overview import RunState
from innerloop.runner.started_run import new_id
from innerloop.util.turns import Turn


def row(run: str, state: str, started: str, ended: str = "") -> RunState:
    return RunState(run, "tiny", "venv", state, started, ended)


def test_rows_are_ended_ones_then_running_then_waiting_each_in_the_order_of_time() -> None:
    ended = [row(f"e{n:02}", "failed (3)", f"2026-01-{n:02}", "later") for n in range(1, 13)]
    rows = [
        row("w2", "waiting", "2026-02-02"),
        row("q", "queued", "2026-02-01"),
        row("r2", "running", "2026-01-02"),
        row("u", "unknown", "2026-01-01"),
        row("k", "killed", "2026-03-01"),
        *reversed(ended),
    ]
    shown = [one.run for one in overview.in_order(rows)]
    assert shown == [*(f"e{n:02}" for n in range(4, 13)), "k", "u", "r2", "q", "w2"]


def test_run_that_is_a_job_too_has_one_row() -> None:
    runs = [
        row("ended", "failed (3)", "2026-01-01", "later"),
        row("going", "running", "2026-01-02"),
        row("killed here", "killed", "2026-01-03"),
        row("here", "running", "2026-01-04"),
    ]
    jobs = [
        RunState(name, "tiny", "ssh:gpubox", state, "2026-01-05")
        for name, state in (("ended", "failed"), ("going", "running"), ("killed here", "running"))
    ]
    shown = {one.run: (one.state, one.backend) for one in overview.merged(runs, jobs)}
    assert shown == {
        "ended": ("failed (3)", "ssh:gpubox"),
        "going": ("running", "ssh:gpubox"),
        "killed here": ("running", "ssh:gpubox"),
        "here": ("running", "venv"),
    }


def test_place_counts_those_who_came_before_for_the_same() -> None:
    queue = [Turn(1, "a", 1), Turn(2, "b", 2), Turn(3, "20260131-101500-3fa2", 3)]
    assert overview.place_in(queue, "20260131-101500-3fa2") == "2 before it"
    assert overview.place_in(queue, "b") == "the next one"
    assert overview.place_in(queue, "somebody") == ""


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system has one time zone for all")
def test_time_in_an_id_is_that_of_a_record_in_any_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC+5")
    time.tzset()
    try:
        started = datetime.fromisoformat(overview._time_in(new_id()))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs((datetime.now(timezone.utc) - started).total_seconds()) < 3600


def test_time_in_a_name_that_is_no_id_is_not_known() -> None:
    assert overview._time_in("terminal-1") == ""
