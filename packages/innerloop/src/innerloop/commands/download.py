"""Download a submitted job's outputs, beside those of local runs."""

from __future__ import annotations

import argparse

from ..remote import jobs, stream_job
from ..remote.progress import count_files, format_size
from ..util import console

EXAMPLES = """What the job wrote to ./outputs is in outputs/<experiment>/<job>/ then, a named output in a folder
of its name in it, and the logs in user_logs/. Of a sweep the best trial's outputs are downloaded.

examples:
  loop download
  loop download digit_recognition-20261124-101500-1a2b --output model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument("--output", default="", metavar="NAME", help="this named output alone")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    job = jobs.choose(args.root, args.job)
    with job.backend as backend:
        into = job.record.outputs if job.record else f"outputs/{backend.name}/{job.name}"
        fetched = backend.fetch(job.name, into, args.output)
    stream_job.record_status(args.root, job.name, fetched.status)
    status = fetched.status.status
    if args.json:
        value = {"job": job.name, "folder": into, "status": status}
        console.print_json({**value, "files": fetched.files, "size": fetched.size}, indent=None)
    elif fetched.files:
        size = f"{count_files(fetched.files)}, {format_size(fetched.size)}"
        print(f"{into}/ has the outputs of {job.name}: {size}")
    else:
        print(f"{job.name} has left no outputs ({status})")
    return 0
