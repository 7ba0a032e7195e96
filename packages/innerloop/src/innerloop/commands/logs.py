"""Show the logs of a submitted job, or of a run on this machine, from their start."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..history import past_runs
from ..history.past_runs import PastRun
from ..local import lost_runs
from ..remote import jobs, stream_job
from ..util import console, process

EXAMPLES = """The logs go to stdout, a job's states to stderr. The lines of a pipeline or sweep begin with the
name of the step or trial. With --follow, or when the job or run has ended, the exit code is its own.
Ctrl-C leaves the job or run alone.

A run is one of `loop runs`: the first characters of its ID are enough.

examples:
  loop logs
  loop logs --follow
  loop logs digit_recognition-20261124-101500-1a2b > log.txt
  loop logs 20260131-101500-3fa2 --follow       a run on this machine
"""
# How often the log of a run is looked at, in seconds.
EVERY = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job",
        nargs="?",
        metavar="JOB|RUN",
        help="default: the last job submitted; without one, the last run",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="until it ends")


def run(args: argparse.Namespace) -> int:
    if not jobs.is_submitted(args.root, args.job):
        found = lost_runs.named(args.root, args.job)
        if found is not None:
            return _of_run(args.root, found, follow=args.follow)
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        return stream_job.follow(args.root, job.name, backend, to_the_end=args.follow)


def _of_run(root: Path, run_: PastRun, *, follow: bool) -> int:
    is_empty = True
    for chunk in _output(root, run_, follow=follow):
        is_empty = False
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    run_ = lost_runs.again(root, run_)
    if is_empty:
        console.say(f"{run_.folder} has no output{' yet' if run_.alive else ''}")
    console.say(f"{run_.id}: {run_.state}")
    code = run_.record.get("exit_code")
    return code % 256 if isinstance(code, int) else 0 if run_.alive else 1


def _output(root: Path, run_: PastRun, *, follow: bool) -> Iterator[bytes]:
    """The output so far; with `follow`, until the run's end."""
    argv = lost_runs.log_argv(root, run_, follow=follow)
    if argv is not None:
        yield from process.output_chunks(argv)
        return
    at = 0
    while True:
        is_alive = run_.alive
        with suppress(FileNotFoundError), past_runs.log_of(root, run_).open("rb") as file:
            file.seek(at)
            while chunk := file.read(1 << 16):
                at += len(chunk)
                yield chunk
        if not follow or not is_alive:
            return
        time.sleep(EVERY)
        run_ = lost_runs.again(root, run_)
