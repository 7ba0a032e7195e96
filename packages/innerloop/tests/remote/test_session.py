"""What a person sees while Azure works for minutes, and of a log that is shown."""

from __future__ import annotations

import pytest

from innerloop.remote.azureml.session import _StepProgress, format_duration, last_lines, print_log


def test_a_long_step_says_how_long_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    step = _StepProgress("making the deployment blue", 0)
    step.on_event({"event": "heartbeat"})
    assert capsys.readouterr().err == "innerloop: making the deployment blue ...\n"
    step.started -= 200
    step.printed -= 200
    step.on_event({"event": "heartbeat"})
    assert "making the deployment blue: 3 min 20 s so far" in capsys.readouterr().err
    step.on_event({"event": "heartbeat"})  # not at every look
    assert capsys.readouterr().err == ""


def test_a_log_is_shown_without_what_lets_somebody_in(capsys: pytest.CaptureFixture[str]) -> None:
    print_log("the end of blue's log", "one\nAuthorization: Bearer s3cr3t-key\n\n")
    shown = capsys.readouterr().err
    assert shown == ("innerloop: the end of blue's log:\n  one\n  Authorization: Bearer [token]\n")
    print_log("nothing", " \n")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s")])
def test_minutes(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_last_lines() -> None:
    assert last_lines("a\nb\nc\n\n", 2) == "b\nc"
    assert last_lines("a", 5) == "a"
