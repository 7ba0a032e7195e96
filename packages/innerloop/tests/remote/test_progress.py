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
    asked = {"event": "request", "id": "1", "method": "PUT", "host": "h", "path": "/jobs/j"}
    answered = {**asked, "event": "response"}
    progress.on_event(asked)
    progress.on_event({**answered, "status": 429, "wait": 7, "tries": True})
    progress.on_event(asked)
    progress.on_event(asked)
    progress.on_event({**answered, "status": 501, "wait": 0, "tries": False})
    progress.on_event({**answered, "status": 200, "wait": 0, "tries": False})
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
    assert progress.sent == 21_000_000


def test_progress_blocks_of_one_file_are_no_second_attempts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = TransferProgress("sending", files=2)
    block = {"method": "PUT", "host": "a.blob.core.windows.net", "path": "/c/large"}
    for number in range(4):
        progress.on_event({**block, "event": "request", "id": f"block-{number}"})
    for number in range(4):
        answer = {"event": "response", "id": f"block-{number}", "status": 201, "wait": 0}
        progress.on_event({**block, **answer, "tries": False})
    progress.on_event({"event": "uploaded", "bytes": 2_000_000})
    assert capsys.readouterr().err == "innerloop: sending ...\n"
    assert progress.describe_sent() == "2.0 MB, 1 of 2 files"


@pytest.mark.parametrize(
    ("events", "may_exist"),
    [
        ([], False),
        (["creating"], True),
        (["creating", "not-created"], False),
        (["creating", "creating", "not-created"], True),
        (["creating", "absent"], False),
    ],
)
def test_progress_knows_whether_the_job_may_exist(events: list[str], may_exist: bool) -> None:
    progress = TransferProgress("sending")
    for event in events:
        progress.on_event({"event": event})
    assert progress.may_exist is may_exist


def test_progress_after_an_attempt_of_unknown_outcome_stays_in_doubt() -> None:
    progress = TransferProgress("sending", unrefused=1)
    progress.on_event({"event": "creating"})
    progress.on_event({"event": "not-created"})
    assert progress.may_exist
