"""What a person reads while a submission is on its way, where stderr is no terminal."""

from __future__ import annotations

import pytest

from innerloop.remote.progress import News


def test_progress_waits_events_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    news = News("sending j to ws", total=50_000_000)
    news.on_event({"event": "sent", "bytes": 1_000_000})  # too early to say
    news.began -= 10
    news.said -= 10
    news.on_event({"event": "sent", "bytes": 20_000_000})
    news.on_event({"event": "sent", "bytes": 21_000_000})  # too soon after the last
    asked = {"event": "asking", "method": "PUT", "host": "h", "path": "/jobs/j"}
    news.on_event(asked)
    news.on_event({"event": "answered", "status": 429, "wait": 7})
    news.on_event(asked)
    news.on_event(asked)
    news.on_event({"event": "answered", "status": 200, "wait": 0})
    for _ in range(2):
        news.on_event({"event": "note", "text": "a real warning"})
    news.end()
    assert capsys.readouterr().err.splitlines() == [
        "innerloop: sending j to ws ...",
        "innerloop: sending j to ws: 20.0 MB of 50.0 MB",
        "innerloop: Azure answered 429, and asks to wait 7 s; trying again",
        "innerloop: no answer from h; trying again",
        "innerloop: Azure ML says: a real warning",
    ]
    assert news.creating and news.sent == 21_000_000
