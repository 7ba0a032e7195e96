"""Show the status of a submitted job."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime, timezone

from ..remote import jobs, run_records, stream_job, submission_store
from ..remote.base import JobStatus
from ..remote.submission_store import SubmittedJob
from ..util import console

EXAMPLES = """examples:
  loop status
  loop status digit_recognition-20261124-101500-1a2b --json
  loop status --all            the submissions from here, from the local records alone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument(
        "--all", action="store_true", help="all submissions from here, from local records"
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    if args.all:
        return _all(args)
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        status = backend.status(job.name)
    stream_job.record_status(args.root, job.name, status)
    if args.json:
        console.print_json(asdict(status))
        return 0
    for title, text in _rows(status, job.record):
        print(f"{title:<11}{text}".rstrip())
    return 0


def _rows(status: JobStatus, record: SubmittedJob | None) -> list[tuple[str, str]]:
    rows = [
        ("job", f"{status.name} ({status.type}, experiment {status.experiment})"),
        ("state", f"{status.status}{_duration_so_far(status)}"),
        ("error", status.error),
        ("compute", status.compute),
        ("studio", status.url),
        *(
            ("" if index else "steps", f"{child['step']}: {child['status']}")
            for index, child in enumerate(status.children)
        ),
    ]
    if status.status in stream_job.ENDED and record is not None:
        local = f"`scripts/loop download {status.name}` puts them in {record.outputs}/"
        rows.append(("outputs", record.kept or local))
    return [(title, text) for title, text in rows if text]


def _duration_so_far(status: JobStatus) -> str:
    started, ended = run_records.parse_time(status.started), run_records.parse_time(status.ended)
    if started is None or (ended is None and status.status in stream_job.ENDED):
        return ""
    seconds = ((ended or datetime.now(timezone.utc)) - started).total_seconds()
    return f" {'after' if ended else 'for'} {_duration(max(seconds, 0))}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _all(args: argparse.Namespace) -> int:
    submitted = submission_store.all_jobs(args.root)
    for error in submission_store.unreadable(args.root):
        console.error(error)
    if args.json:
        console.print_json([asdict(job) for job in submitted])
        return 0
    if not submitted:
        print("No job has been submitted from here yet.")
    for job in submitted:
        state = job.status or {"sending": "may not have arrived", "unsent": "not sent"}.get(
            job.state, job.state
        )
        print(f"{job.at[:16].replace('T', ' ')}  {job.name}  {state}")
    return 0
