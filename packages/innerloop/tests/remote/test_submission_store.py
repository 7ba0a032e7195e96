"""The ledger of submissions, and what is made of a job's end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.remote import stream_job, submission_store
from innerloop.remote.azureml.connection import ServiceError
from innerloop.remote.progress import format_size
from innerloop.remote.submission_store import REFUSED, SENDING, SENT, SubmittedJob

WORKSPACE = {"subscription": "s", "group": "g", "workspace": "w"}
ONE = SubmittedJob(
    name="one", experiment="a/b", slug="a.b", file="f", workspace=WORKSPACE, state=SENDING,
    fingerprint="p", at="2026-11-24T10:00:00", environment="env", snapshots={"src/a": "code"},
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    submission_store.write(tmp_path, replace(ONE, sets=("a=1",)), patch="+x\n")
    assert submission_store.read(tmp_path, "one") == replace(ONE, sets=("a=1",))
    assert (tmp_path / ".innerloop/jobs/one/changes.patch").read_text() == "+x\n"
    assert submission_store.read(tmp_path, "two") is None


def test_only_the_last_of_the_same_can_have_been_cut_off(tmp_path: Path) -> None:
    submission_store.write(tmp_path, ONE)
    cut = submission_store.find_interrupted(tmp_path, "p")
    assert cut is not None and cut.name == "one"
    assert submission_store.find_interrupted(tmp_path, "q") is None
    submission_store.write(tmp_path, replace(ONE, name="two", at="2026-11-24T11:00:00", state=SENT))
    assert submission_store.find_interrupted(tmp_path, "p") is None


def test_the_last_that_was_sent(tmp_path: Path) -> None:
    assert submission_store.last_submitted(tmp_path) is None
    for name, hour, state in (
        ("a", 9, SENT),
        ("b", 11, SENT),
        ("c", 12, REFUSED),
        ("d", 13, SENDING),
    ):
        submission_store.write(
            tmp_path, replace(ONE, name=name, at=f"2026-11-24T{hour:02}:00", state=state)
        )
    last = submission_store.last_submitted(tmp_path)
    assert last is not None and last.name == "b"


def test_what_went_to_another_workspace_is_not_there(tmp_path: Path) -> None:
    submission_store.write(tmp_path, replace(ONE, state=SENT))
    for digest in ("env", "code"):
        assert submission_store.find_by_digest(tmp_path, WORKSPACE, digest) is not None
    assert submission_store.find_by_digest(tmp_path, WORKSPACE, "other") is None
    assert submission_store.find_by_digest(tmp_path, {**WORKSPACE, "workspace": "x"}, "env") is None


def test_a_file_that_is_no_entry_is_passed_over(tmp_path: Path) -> None:
    submission_store.write(tmp_path, ONE)
    for name, text in (("broken", "{"), ("old", '{"name": "old"}'), ("list", "[]")):
        (tmp_path / submission_store.FOLDER / name).mkdir()
        (tmp_path / submission_store.FOLDER / name / "job.json").write_text(text)
    assert [one.name for one in submission_store.all_jobs(tmp_path)] == ["one"]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("Completed", "", 0),
        ("Canceled", "", 130),
        ("Failed", "User process 'python' exited with status code 3. Please", 3),
        ("Failed", "exited with status code 256", 1),
        ("Failed", "Process failed with exit code: 137", 137),
        ("Failed", "No space", 1),
        ("NotResponding", "", 1),
    ],
)
def test_exit_codes(status: str, error: str, code: int) -> None:
    assert stream_job.exit_code(status, error) == code


def test_steps_keep_their_lines_apart(capsys: pytest.CaptureFixture[str]) -> None:
    screen = stream_job.JobLogPrinter()
    for step, text in (("a", "one\nhal"), ("a", "f\n"), ("b", "open"), ("a", "next\n"), ("", "x")):
        screen.on_event({"event": "log", "of": step, "text": text})
    screen.close()
    assert capsys.readouterr().out == "a | one\na | half\nb | open\na | next\nx\n"


def test_sizes() -> None:
    told = [format_size(size) for size in (0, 950, 99_999, 100_000, 5_300_000, 12_345_000_000)]
    assert told == ["0.0 kB", "0.9 kB", "100.0 kB", "0.1 MB", "5.3 MB", "12,345 MB"]


def test_service_error_keeps_message_and_code() -> None:
    error = ServiceError("what", hint="Do it", code="network")
    assert (error.message(), error.exit_code, error.code) == ("what. Do it", 1, "network")
