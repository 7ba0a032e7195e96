"""How a submitted job fares."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from typing import Any

from ..remote import jobs, run_records, stream_job, submission_store
from ..remote.progress import News
from ..remote.submission_store import Entry

EXAMPLES = """examples:
  loop status
  loop status digit_recognition-20261124-101500-1a2b --json
  loop status --all            what was submitted from here, without asking Azure
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument("--all", action="store_true", help="the submissions from here, from notes")
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    if args.all:
        return _all(args)
    name, target, entry = jobs.choose(args.root, args.job)
    with jobs.line_to(args.root, target) as line:
        news = News(f"asking for {name}")
        told = line.ask("status", target, news.on_event, name=name)
        news.end()
    stream_job.note_status(args.root, name, told)
    if args.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    for title, text in _lines(told, entry):
        print(f"{title:<11}{text}".rstrip())
    return 0


def _lines(told: dict[str, Any], entry: Entry | None) -> list[tuple[str, str]]:
    lines = [
        ("job", f"{told['name']} ({told['type']}, experiment {told['experiment']})"),
        ("state", f"{told['status']}{_took(told)}"),
        ("error", told["error"]),
        ("compute", told["compute"]),
        ("studio", told["url"]),
        *((f"{'' if i else 'steps'}", f"{c['step']}: {c['status']}")
          for i, c in enumerate(told["children"])),
    ]  # fmt: skip
    if told["status"] in stream_job.ENDED and entry is not None:
        here = f"`scripts/loop download {told['name']}` puts them in {entry.outputs}/"
        lines.append(("outputs", entry.kept or here))
    return [(title, text) for title, text in lines if text]


def _took(told: dict[str, Any]) -> str:
    started, ended = (run_records.time_of(told[key]) for key in ("started", "ended"))
    if started is None or (ended is None and told["status"] in stream_job.ENDED):
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
    found = submission_store.entries(args.root)
    if args.json:
        from dataclasses import asdict

        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return 0
    if not found:
        print("No job has been submitted from here yet.")
    for one in found:
        state = one.status or {"sending": "may not have arrived"}.get(one.state, one.state)
        print(f"{one.at[:16].replace('T', ' ')}  {one.name}  {state}")
    return 0
