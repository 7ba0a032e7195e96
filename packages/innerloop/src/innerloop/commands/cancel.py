"""Stop a submitted job, or a run on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..history.past_runs import PastRun
from ..local import lost_runs
from ..remote import jobs, stream_job
from ..remote.base import JobStatus

EXAMPLES = """A run on this machine is stopped whether its terminal is still there or not: its program is asked
to end, and its record gets the end. `loop runs` lists them; the first characters of an ID are enough.

examples:
  loop cancel
  loop cancel digit_recognition-20261124-101500-1a2b
  loop cancel 20260131-101500-3fa2              a run on this machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job",
        nargs="?",
        metavar="JOB|RUN",
        help="default: the last job submitted; without one, the last run",
    )


def run(args: argparse.Namespace) -> int:
    if not jobs.is_submitted(args.root, args.job):
        found = lost_runs.named(args.root, args.job)
        if found is not None:
            return _cancel_run(args.root, found)
        if lost_runs.cancel_unrecorded(args.root, args.job):
            print(f"{args.job}: stopped")
            return 0
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        before, after = backend.cancel(job.name)
    stream_job.record_status(args.root, job.name, JobStatus(after))
    if before in stream_job.ENDED:
        print(f"{job.name} had ended already: {before}")
    else:
        print(f"{job.name}: {after}")
    return 0


def _cancel_run(root: Path, run_: PastRun) -> int:
    if not run_.alive:
        print(f"{run_.id} had ended already: {run_.state}")
        return 0
    print(f"{run_.id}: {lost_runs.cancel(root, run_).state}")
    return 0
