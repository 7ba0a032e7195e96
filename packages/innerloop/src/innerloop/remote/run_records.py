"""The record of a submitted job among the runs of this machine.

It is in outputs/<slug>/<job>/.run/, written from the submission store and the status that the
service reported last.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..history.recorder import PATCH, RECORD, text_of
from ..util import files, json_records
from ..util.clock import now
from ..util.json_records import RecordError
from .submission_store import FOLDER, SubmittedJob


def write_record(
    root: Path, job: SubmittedJob, code: int | None = None, seconds: float | None = None
) -> None:
    """Write the record of a submitted job.

    `code` is the job's outcome as an exit code, None before its end. `seconds` is how long it ran,
    None where that is not known.
    """
    folder = root / job.outputs
    before = _read_record(folder)
    record: dict[str, Any] = {
        "run": job.name,
        "experiment": job.experiment,
        "backend": job.backend,
        "why": "submitted",
        "command": job.command,
        "cwd": next(iter(job.snapshots), ""),
        "image": None,
        "environment": job.environment or None,
        "inputs": dict(job.inputs),
        "arguments": [],
        "git": dict(job.git) or before.get("git"),
        "compute": job.compute,
        "url": job.url,
        "status": job.status,
        "started": job.at,
        "ended": None if code is None else before.get("ended") or now(),
        "seconds": seconds if seconds is not None else before.get("seconds"),
        "exit_code": code,
    }
    patch = files.read_text(root / FOLDER / job.name / "changes.patch")
    if patch is not None:
        files.write_text(folder / PATCH, patch)
    files.write_text(folder / RECORD, text_of(record))


def seconds_between(started: str, ended: str) -> float | None:
    """The time between two times of the service; None where one is missing."""
    first, last = parse_time(started), parse_time(ended)
    return None if first is None or last is None else max((last - first).total_seconds(), 0.0)


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 time, UTC if it names no zone; None for any other text."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _read_record(folder: Path) -> dict[str, Any]:
    """What a new record keeps of the one before; empty if that cannot be read."""
    try:
        record = json_records.read_file(folder / RECORD)
        if record is None:
            return {}
        ended, seconds = record.as_str("ended", None), record.as_number("seconds", None)
        git = record.as_mapping("git", None)
    except RecordError:
        return {}
    return {"ended": ended, "seconds": seconds, "git": git}
