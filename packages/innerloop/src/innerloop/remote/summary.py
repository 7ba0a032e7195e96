"""What an orchestrator shows of a run it started, as Markdown: the job, its address in the studio,
how it ended, and its last metrics. A job in a cluster has where its outputs are instead.

It is written when the job has been sent and again at its end: a machine that loses patience in
between leaves the address behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..history.past_runs import metrics_of
from ..util import files
from ..util.errors import UserError
from .azureml.connection import Line
from .azureml.workspace_ref import Target
from .run_records import seconds_between
from .stream_job import outcome
from .submission_store import Entry

_MARKS = {"Completed": "✅", "Failed": "❌", "Canceled": "🚫", "NotResponding": "❌"}


@dataclass(frozen=True, slots=True)
class Summary:
    """`file` is written on behalf of others as well: what stood in it (`before`) stays. `end` is
    what the service said last, {} before the job's end."""

    file: Path
    before: str
    entry: Entry
    end: Mapping[str, Any]
    metrics: Mapping[str, float]

    def write(self) -> None:
        files.write_text(self.file, self.before + "\n".join(_lines(self)) + "\n")


def begin(file: Path, entry: Entry) -> Summary:
    before = files.read_text(file) or ""
    made = Summary(file, before + "\n" if before.strip() else before, entry, {}, {})
    made.write()
    if os.environ.get("TF_BUILD"):
        # How Azure Pipelines is told of it: a line on stdout; it reads the file when the step ends.
        print(f"##vso[task.uploadsummary]{file}", flush=True)
    return made


def end(summary: Summary, told: Mapping[str, Any]) -> Summary:
    """With the job's end."""
    ended = replace(summary, end=told)
    ended.write()
    return ended


def finish(summary: Summary, told: Mapping[str, Any], target: Target, line: Line) -> None:
    """With the job's end and its metrics; without those where they cannot be had."""
    ended = end(summary, told)
    try:
        found = line.ask("metrics", target, lambda event: None, name=summary.entry.name)
    except UserError:
        return
    scores, _ = metrics_of(found["json"], found["jsonl"])
    replace(ended, metrics={**found["mlflow"], **scores}).write()


@contextmanager
def of_start(file: Path | None, experiment: str) -> Iterator[None]:
    """What keeps a job from being started is in the file as well, where there is one to write."""
    try:
        yield
    except UserError as mistake:
        if file:
            failed(file, experiment, mistake)
        raise


def failed(file: Path, experiment: str, mistake: UserError) -> None:
    """That there is no job, and why."""
    before = files.read_text(file) or ""
    said = f"### ❌ {experiment}: no job was started\n\n{_escaped(mistake.message())}\n"
    files.write_text(file, before + said)


def _lines(summary: Summary) -> Iterator[str]:
    entry, end = summary.entry, summary.end
    status = str(end.get("status") or "")
    words = outcome(status, "") if status else "was sent"
    yield f"### {_MARKS.get(status, '▶️')} {_escaped(entry.experiment)} {words}"
    yield ""
    if entry.url:
        yield f"[{_escaped(entry.name)} in the Azure ML studio](<{entry.url}>)"
    else:
        yield _escaped(entry.name)
    if end.get("error") and status != "Completed":
        yield ""
        yield f"> {_escaped(str(end['error']))}"
    yield ""
    yield from _table(("", ""), list(_facts(entry, end)))
    if summary.metrics:
        yield ""
        values = [(name, f"{value:.6g}") for name, value in summary.metrics.items()]
        yield from _table(("metric", "last value"), values)


def _facts(entry: Entry, end: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "compute", entry.compute
    for name, value in entry.inputs.items():
        yield f"inputs.{name}", str(value)
    commit = str(entry.git.get("commit") or "")
    if commit:
        yield "commit", commit[:12]
    took = seconds_between(str(end.get("started") or ""), str(end.get("ended") or ""))
    if entry.kept:
        yield "outputs", entry.kept
    if took is not None:
        yield "took", f"{int(took) // 3600}:{int(took) // 60 % 60:02}:{int(took) % 60:02}"


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {head[0]} | {head[1]} |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {_escaped(name)} | {_escaped(value)} |"


def _escaped(text: str) -> str:
    """Text that is no Markdown, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
