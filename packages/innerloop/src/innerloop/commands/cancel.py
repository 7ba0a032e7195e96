"""Stop a submitted job."""

from __future__ import annotations

import argparse

from ..remote import jobs, stream_job
from ..remote.base import JobStatus

EXAMPLES = """examples:
  loop cancel
  loop cancel digit_recognition-20261124-101500-1a2b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")


def run(args: argparse.Namespace) -> int:
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        before, after = backend.cancel(job.name)
    stream_job.record_status(args.root, job.name, JobStatus(after))
    if before in stream_job.ENDED:
        print(f"{job.name} had ended already: {before}")
    else:
        print(f"{job.name}: {after}")
    return 0
