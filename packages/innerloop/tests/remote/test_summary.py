"""What an orchestrator shows of a run: whole at each moment, and no text of a job is Markdown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerloop.remote import summary
from innerloop.remote.base import JobStatus
from innerloop.remote.submission_store import SENT, SubmittedJob
from innerloop.util.errors import UserError

ENTRY = SubmittedJob(
    name="line-1", experiment="line", slug="line", file="f", workspace={}, state=SENT, fingerprint="x",
    at="", compute="gpu|cluster", inputs={"note": "a | `b` <img> [x](y)\n# c"}, url="https://ml/runs/1?a=b",
    git={"commit": "0123456789abcdef"},
)  # fmt: skip
END = JobStatus("Failed", error="exit *code* 3")


class Backend:
    """The one verb of a backend that a summary uses."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def metrics(self, job: str) -> Any:
        assert job == "line-1"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_from_the_start_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_BUILD", raising=False)
    file = tmp_path / "summary.md"
    file.write_text("# of another step\n", encoding="utf-8")
    begun = summary.start(file, ENTRY)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# of another step\n\n### ▶️ line was sent\n")
    assert "[line-1 in the Azure ML studio](<https://ml/runs/1?a=b>)" in text
    assert "| inputs.note | a \\| \\`b\\` \\<img\\> \\[x\\](y) \\# c |" in text
    assert "| compute | gpu\\|cluster |" in text and "| commit | 0123456789ab |" in text
    metrics = {"loss": 0.25, "accuracy": 0.9876543}
    summary.finish(begun, END, Backend(metrics))  # type: ignore[arg-type]
    text = file.read_text(encoding="utf-8")
    assert text.count("###") == 1 and "### ❌ line failed" in text
    assert "> exit \\*code\\* 3" in text
    assert "| loss | 0.25 |" in text and "| accuracy | 0.987654 |" in text


def test_metrics_that_are_not_finite_are_marked(tmp_path: Path) -> None:
    begun = summary.start(tmp_path / "s.md", ENTRY)
    metrics = {"loss": float("nan"), "gap": float("-inf"), "f1": 0.5}
    summary.finish(begun, END, Backend(metrics))  # type: ignore[arg-type]
    text = (tmp_path / "s.md").read_text(encoding="utf-8")
    assert "| loss | ⚠️ nan |" in text and "| gap | ⚠️ -inf |" in text and "| f1 | 0.5 |" in text


def test_metrics_that_cannot_be_had_hide_no_end(tmp_path: Path) -> None:
    begun = summary.start(tmp_path / "s.md", ENTRY)
    completed = replace(END, status="Completed")
    summary.finish(begun, completed, Backend(UserError("gone")))  # type: ignore[arg-type]
    assert "### ✅ line completed" in (tmp_path / "s.md").read_text(encoding="utf-8")


def test_a_job_in_a_cluster_says_where_its_outputs_are(tmp_path: Path) -> None:
    file = tmp_path / "s.md"
    begun = summary.start(file, replace(ENTRY, url="", kept="results/line-1"))
    end = replace(END, started="2026-01-01T00:00:00Z", ended="2026-01-01T01:00:05Z")
    summary.finish(begun, end, Backend({}))  # type: ignore[arg-type]
    text = file.read_text(encoding="utf-8")
    assert "### ❌ line failed\n\nline-1\n\n> exit \\*code\\* 3" in text
    assert "| outputs | results/line-1 |\n| took | 1:00:05 |" in text


def test_no_job(tmp_path: Path) -> None:
    file = tmp_path / "s.md"
    summary.write_failure(file, "line", UserError("a | b", hint="Do c"))
    assert file.read_text(encoding="utf-8") == "### ❌ line: no job was started\n\na \\| b. Do c\n"
