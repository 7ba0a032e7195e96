"""Show what waits, runs and has ended, of every backend; or the status of one job or run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime, timezone

from ..history.past_runs import PastRun
from ..local import lost_runs
from ..remote import jobs, overview, run_records, stream_job, submission_store
from ..remote.base import JobStatus
from ..remote.submission_store import SubmittedJob
from ..util import console, tables, turns

EXAMPLES = """Without a name: what waits, runs and has ended, here and elsewhere, in one table; the last rows wait.
Jobs that have not ended are asked for at their service.

examples:
  loop status
  loop status --json
  loop status digit_recognition-20261124-101500-1a2b --json     one job, with all that is known
  loop status 20260131-101500-3fa2                               a run on this machine
  loop status --all            the submissions from here, from the local records alone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB|RUN", help="default: a table of all")
    parser.add_argument(
        "--all", action="store_true", help="all submissions from here, from local records"
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    if args.all:
        return _all(args)
    if args.job is None:
        return _table(args)
    if not jobs.is_submitted(args.root, args.job) and (
        found := lost_runs.named(args.root, args.job)
    ):
        return _of_run(args, found)
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


def _table(args: argparse.Namespace) -> int:
    states = overview.of_workspace(args.root)
    if args.json:
        console.print_json([state.json() for state in states])
        return 0
    if not states:
        print("Nothing has run yet.")
        return 0
    rows = [
        (
            one.state,
            one.run,
            one.experiment,
            one.backend,
            one.started[:16].replace("T", " "),
            "" if one.seconds is None else _duration(one.seconds),
            one.note,
        )
        for one in states
    ]
    titles = ("state", "run", "experiment", "backend", "since", "took", "")
    tables.show(tables.Table(titles, rows, spare=("since", "took", "backend"), cuts=True))
    return 0


def _of_run(args: argparse.Namespace, run_: PastRun) -> int:
    if args.json:
        console.print_json(run_.json())
        return 0
    place = overview.place_in(turns.waiting(), run_.id) if run_.state == "waiting" else ""
    rows = [
        ("run", f"{run_.id} (experiment {run_.experiment}, backend {run_.backend})"),
        ("state", ", ".join(filter(None, [run_.state, place]))),
        ("lost", str(run_.record.get("lost") or "")),
        ("outputs", "" if run_.state == "waiting" else f"{run_.folder}/"),
    ]
    for title, text in rows:
        if text:
            print(f"{title:<11}{text}")
    return 0


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
