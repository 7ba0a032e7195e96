"""The Markdown summary that an orchestrator shows of a job it started.

It has the job, its address in the studio or where its outputs are, how it ended, and its last
metrics.

It is written when the job has been sent and again at its end, so that an orchestrator that stops
waiting in between still shows the address.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..history import metric_values
from ..util import files
from ..util.errors import UserError
from ..util.printable import one_line
from ..util.quick_dataclasses import dataclass
from .base import JobStatus, RemoteBackend
from .run_records import seconds_between
from .stream_job import describe_outcome
from .submission_store import SubmittedJob

_MARKS = {"Completed": "✅", "Failed": "❌", "Canceled": "🚫", "NotResponding": "❌"}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The file may hold summaries of other steps: that text (`before`) stays.

    `end` is the status that the job ended with, None before its end.
    """

    file: Path
    before: str
    job: SubmittedJob
    end: JobStatus | None
    metrics: Mapping[str, float]

    def write(self) -> None:
        files.write_text(self.file, self.before + "\n".join(_lines(self)) + "\n")


def start(file: Path, job: SubmittedJob) -> RunSummary:
    before = files.read_text(file) or ""
    summary = RunSummary(file, before + "\n" if before.strip() else before, job, None, {})
    summary.write()
    if os.environ.get("TF_BUILD"):
        # Azure Pipelines reads this line on stdout, and the file when the step ends.
        print(f"##vso[task.uploadsummary]{file}", flush=True)
    return summary


def finish(summary: RunSummary, end: JobStatus, backend: RemoteBackend) -> None:
    """Writes the job's end, and its metrics if the service can be asked for them."""
    ended = replace(summary, end=end)
    ended.write()
    try:
        metrics = backend.metrics(summary.job.name)
    except UserError:
        return
    if metrics:
        replace(ended, metrics=metrics).write()


@contextmanager
def reporting_failure(file: Path | None, experiment: str) -> Iterator[None]:
    """Writes the error that prevents a submission to the file as well, if there is one."""
    try:
        yield
    except UserError as error:
        if file:
            write_failure(file, experiment, error)
        raise


def write_failure(file: Path, experiment: str, error: UserError) -> None:
    before = files.read_text(file) or ""
    text = f"### ❌ {experiment}: no job was started\n\n{_escaped(error.message())}\n"
    files.write_text(file, before + text)


def _lines(summary: RunSummary) -> Iterator[str]:
    job, end = summary.job, summary.end
    status = end.status if end else ""
    words = describe_outcome(status, "") if status else "was sent"
    yield f"### {_MARKS.get(status, '▶️')} {_escaped(job.experiment)} {words}"
    yield ""
    if job.url:
        yield f"[{_escaped(job.name)} in the Azure ML studio](<{_address(job.url)}>)"
    else:
        yield _escaped(job.name)
    if end and end.error and status != "Completed":
        yield ""
        yield f"> {_escaped(end.error)}"
    yield ""
    yield from _table(("", ""), list(_facts(job, end)))
    if summary.metrics:
        yield ""
        values = [(name, _value(value)) for name, value in summary.metrics.items()]
        yield from _table(("metric", "last value"), values)


def _facts(job: SubmittedJob, end: JobStatus | None) -> Iterator[tuple[str, str]]:
    yield "compute", job.compute
    for name, value in job.inputs.items():
        yield f"inputs.{name}", str(value)
    commit = str(job.git.get("commit") or "")
    if commit:
        yield "commit", commit[:12]
    if job.kept:
        yield "outputs", job.kept
    seconds = seconds_between(end.started, end.ended) if end else None
    if seconds is not None:
        total = int(seconds)
        yield "took", f"{total // 3600}:{total // 60 % 60:02}:{total % 60:02}"


def _value(value: float) -> str:
    """A metric's value, marked if it is not finite: the job succeeded, and the model is none."""
    return f"{'' if math.isfinite(value) else '⚠️ '}{metric_values.short(value, 6)}"


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {head[0]} | {head[1]} |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {_escaped(name)} | {_escaped(value)} |"


def _escaped(text: str) -> str:
    """The text on one line, with the characters escaped that Markdown interprets."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", one_line(" ".join(text.split())))


def _address(url: str) -> str:
    """The address, without what would end the link."""
    return re.sub(r"[\s<>\x00-\x1f]", "", one_line(url))
