"""Ready is what has answered, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop.serving import readiness
from innerloop.serving.readiness import ReadinessOutcome
from tests.serving.web import Web, web


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample-request.json"
    path.write_text("[1, 2]")
    return path


def wait(
    made: Web, sample: Path, patience: float | None = 10
) -> tuple[ReadinessOutcome, list[str]]:
    said: list[str] = []
    ended = threading.Event()
    return readiness.wait(made.url, sample, ended, patience=patience, say=said.append), said


def test_a_server_that_comes_up_slowly_is_asked_until_it_answers(sample: Path) -> None:
    starting = [(503, "no worker"), (404, "no such model"), (500, '{"message": "loading"}')]
    with web(lambda n: starting[n] if n < len(starting) else (200, '{"digit": 7}')) as made:
        outcome, said = wait(made, sample)
    assert outcome.reply is not None and outcome.reply.value == {"digit": 7}
    assert [body for _, _, body in made.asked] == [b"[1, 2]"] * 4
    assert {headers["Content-Type"] for _, headers, _ in made.asked} == {"application/json"}
    assert said == []


def test_one_that_takes_requests_and_never_answers_is_not_ready(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "NEWS_AFTER", 0.5)
    with web(lambda _: None) as made:
        outcome, said = wait(made, sample, patience=1.2)
    assert outcome.reply is None
    assert outcome.reason == (
        "no prediction within 1 s: the server accepts the request and does not answer"
    )
    assert len(said) == 1 and "does not answer" in said[0]


def test_nothing_that_listens_is_said_with_the_reason(sample: Path) -> None:
    with web(lambda _: None) as made:
        pass
    outcome, _ = wait(made, sample, patience=0.5)
    assert "nothing answers" in outcome.reason and "refused" in outcome.reason


def test_a_sample_that_is_refused_again_and_again_ends_the_wait(sample: Path) -> None:
    with web(lambda _: (400, '{"error": "28 rows, please"}')) as made:
        outcome, _ = wait(made, sample, patience=60)
    assert (
        outcome.reason
        == "the server refuses the sample request: the answer is 400, 28 rows, please"
    )
    assert len(made.asked) == readiness.REFUSALS


def test_without_patience_it_asks_once_and_waits(sample: Path) -> None:
    """As somebody does who stands at a breakpoint."""
    released = threading.Event()

    def script(_: int) -> tuple[int, str]:
        released.wait(20)
        return 200, "{}"

    with web(script) as made:
        threading.Timer(1.0, released.set).start()
        outcome, _ = wait(made, sample, patience=None)
    assert outcome.reply is not None and len(made.asked) == 1


def test_the_servers_end_ends_the_wait(sample: Path) -> None:
    ended = threading.Event()
    ended.set()
    nowhere = "http://127.0.0.1:1/score"
    outcome = readiness.wait(nowhere, sample, ended, patience=60, say=lambda _: None)
    assert outcome == ReadinessOutcome()


def watched(
    sample: Path, script: Callable[[int], tuple[int, str] | None], until: int
) -> tuple[int, list[str]]:
    """So many questions, and what was said."""
    said: list[str] = []
    ended = threading.Event()

    def answer(number: int) -> tuple[int, str] | None:
        if number + 1 == until:
            ended.set()
        return script(number)

    with web(answer) as made:
        readiness.watch(made.url, sample, ended, said.append)
    return len(made.asked), said


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULSE", "RETRY"):
        monkeypatch.setattr(readiness, name, 0.01)


@pytest.mark.usefixtures("quick")
def test_one_that_was_ready_and_stops_answering_is_said_once_and_so_is_its_return(
    sample: Path,
) -> None:
    gone = (503, '{"message": "no worker"}')
    asked, said = watched(sample, lambda n: gone if 1 < n < 7 else (200, "{}"), 10)
    assert asked == 10
    stopped, back = said
    assert stopped.startswith("the server has stopped answering: no prediction for ")
    assert stopped.endswith(" s (the answer is 503, no worker); waiting")
    assert back == "the server answers again"


@pytest.mark.usefixtures("quick")
def test_a_hiccup_and_a_full_queue_are_no_end(sample: Path) -> None:
    answers = [(500, "x"), (500, "x"), (200, "{}"), (429, "later"), (400, "no")]
    _, said = watched(sample, lambda n: answers[n % len(answers)], 12)
    assert said == []


@pytest.mark.usefixtures("quick")
def test_one_that_takes_requests_and_answers_none_any_more_is_said(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "REQUEST_TIMEOUT", 0.1)
    _, said = watched(sample, lambda n: None if n else (200, "{}"), 6)
    assert len(said) == 1 and "accepts the request and does not answer" in said[0]
