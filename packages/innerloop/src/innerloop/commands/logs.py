"""A submitted job's logs, from their start."""

from __future__ import annotations

import argparse

from ..remote import jobs, stream_job

EXAMPLES = """The logs go to stdout, what happens to the job to stderr. Of a pipeline and a sweep each line has
the name of its step or trial before it. With --follow, or when the job has ended, the exit code is
the job's own. Ctrl-C leaves the job running.

examples:
  loop logs
  loop logs --follow
  loop logs digit_recognition-20261124-101500-1a2b > log.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument("--follow", "-f", action="store_true", help="until the job ends")


def run(args: argparse.Namespace) -> int:
    name, target, _ = jobs.choose(args.root, args.job)
    with jobs.line_to(args.root, target) as line:
        return stream_job.follow(args.root, name, target, line, to_the_end=args.follow)
