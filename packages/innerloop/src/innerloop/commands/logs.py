"""Show a submitted job's logs from their start."""

from __future__ import annotations

import argparse

from ..remote import jobs, stream_job

EXAMPLES = """The logs go to stdout, the job's states to stderr. The lines of a pipeline or sweep begin with the
name of the step or trial. With --follow, or when the job has ended, the exit code is the job's own.
Ctrl-C leaves the job running.

examples:
  loop logs
  loop logs --follow
  loop logs digit_recognition-20261124-101500-1a2b > log.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument("--follow", "-f", action="store_true", help="until the job ends")


def run(args: argparse.Namespace) -> int:
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        return stream_job.follow(args.root, job.name, backend, to_the_end=args.follow)
