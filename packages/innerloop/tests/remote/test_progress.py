"""What a person reads while a submission is on its way, where stderr is no terminal."""

from __future__ import annotations

import pytest

from innerloop.remote.progress import TransferProgress


def test_progress_waits_events_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TransferProgress("sending j to ws", total=50_000_000)
    progress.on_event({"event": "uploaded", "bytes": 1_000_000})  # too early to say
    progress.started -= 10
    progress.printed -= 10
    progress.on_event({"event": "uploaded", "bytes": 20_000_000})
    progress.on_event({"event": "uploaded", "bytes": 21_000_000})  # too soon after the last
    asked = {"event": "request", "method": "PUT", "host": "h", "path": "/jobs/j"}
    progress.on_event(asked)
    progress.on_event({"event": "response", "status": 429, "wait": 7})
    progress.on_event(asked)
    progress.on_event(asked)
    progress.on_event({"event": "response", "status": 200, "wait": 0})
    for _ in range(2):
        progress.on_event({"event": "note", "text": "a real warning"})
    progress.close()
    assert capsys.readouterr().err.splitlines() == [
        "innerloop: sending j to ws ...",
        "innerloop: sending j to ws: 20.0 MB of 50.0 MB",
        "innerloop: Azure answered 429, and asks to wait 7 s; trying again",
        "innerloop: no answer from h; trying again",
        "innerloop: Azure ML says: a real warning",
    ]
    assert progress.creating and progress.sent == 21_000_000
