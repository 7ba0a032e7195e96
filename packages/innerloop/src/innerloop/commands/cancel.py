"""Stops a submitted job."""

from __future__ import annotations

import argparse

from ..cloud import following, jobs
from ..cloud.news import News

SUMMARY = "Stops a submitted job; the last one when none is named."
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
    following.note_status(args.root, name, {"status": told["after"]})
    if told["before"] in following.ENDED:
        print(f"{name} had ended already: {told['before']}")
    else:
        print(f"{name}: {told['after']}")
    return 0
