"""Stops a submitted job."""

from __future__ import annotations

import argparse

from ..remote import jobs, stream_job
from ..remote.progress import News

EXAMPLES = """examples:
  loop cancel
  loop cancel digit_recognition-20261124-101500-1a2b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")


def run(args: argparse.Namespace) -> int:
    name, target, _ = jobs.choose(args.root, args.job)
    with jobs.line_to(args.root, target) as line:
        news = News(f"cancelling {name}")
        told = line.ask("cancel", target, news.on_event, name=name)
        news.end()
    stream_job.note_status(args.root, name, {"status": told["after"]})
    if told["before"] in stream_job.ENDED:
        print(f"{name} had ended already: {told['before']}")
    else:
        print(f"{name}: {told['after']}")
    return 0
