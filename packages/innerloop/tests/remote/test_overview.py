"""The rows of `loop status`."""

from __future__ import annotations

from innerloop.remote import overview
from innerloop.remote.overview import RunState
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


def test_place_counts_those_who_came_before_for_the_same() -> None:
    queue = [Turn(1, "a", 1), Turn(2, "b", 2), Turn(3, "20260131-101500-3fa2", 3)]
    assert overview.place_in(queue, "20260131-101500-3fa2") == "2 before it"
    assert overview.place_in(queue, "b") == "the next one"
    assert overview.place_in(queue, "somebody") == ""
