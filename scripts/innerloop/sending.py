"""A submission on its way: the ledger before and after, the worker's events as lines for a person."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import cloud_runs, git_state, ledger
from .errors import Mistake
from .ledger import Entry
from .places.azureml.line import Fault, Line
from .places.azureml.target import Target
from .submitting import Submission, inputs_of, workspace_of


def send(root: Path, submission: Submission, line: Line) -> Entry:
    """The entry of the job that is there now. A `Mistake` when it is not, or when that is not
    known; the same submission again then goes on under the same name."""
    target = submission.target
    assert target is not None
    entry = _before(root, submission, target)
    news = News(f"sending {entry.name} to {target.workspace}", submission.size)
    try:
        told = line.ask(
            "submit",
            target,
            news.on_event,
            root=str(root),
            file=str(root / submission.job.name),
            name=entry.name,
            overrides=[[path, value] for path, value in submission.overrides],
            resume=submission.resumes,
            ours=not submission.named,
        )
    except Fault as fault:
        raise _after_a_fault(root, entry, fault, news) from fault
    except KeyboardInterrupt:
        news.end()
        _say(f"innerloop: {_whereabouts(entry, news)}")
        raise
    news.end()
    if told["existed"]:
        _say("innerloop: an earlier try had arrived: this is that job, and none was made twice")
    elif news.sent == 0:
        _say("innerloop: nothing to upload: code and environment were there already")
    entry = ledger.update(root, entry, state=ledger.SENT, url=told["url"], status=told["status"])
    cloud_runs.note(root, entry)
    return entry


def _before(root: Path, submission: Submission, target: Target) -> Entry:
    known = ledger.read(root, submission.name)
    if known is not None and known.state == ledger.SENT:
        raise Mistake(
            f'a job "{submission.name}" was submitted from here already',
            mend="Choose another --name, or leave it away",
        )
    git, patch = ledger.code_of(git_state.read(root))
    entry = Entry(
        name=submission.name,
        experiment=submission.experiment.name,
        slug=submission.experiment.slug,
        file=submission.job.name,
        workspace=workspace_of(target),
        state=ledger.SENDING,
        fingerprint=submission.fingerprint,
        at=ledger.now(),
        kind=submission.job.kind,
        sets=submission.sets,
        command=submission.parts[0].command,
        compute=submission.parts[0].compute,
        inputs=inputs_of(submission.job),
        environment=submission.parts[0].environment.digest,
        snapshots={folder: sent.digest for folder, sent in submission.snapshots.items()},
        git=git,
    )
    ledger.write(root, entry, patch)
    return entry


def _after_a_fault(root: Path, entry: Entry, fault: Fault, news: News) -> Mistake:
    news.end()
    if fault.code in ("exists", "refused", "not-found", "no-workspace", "forbidden"):
        ledger.update(root, entry, state=ledger.REFUSED)
        return fault
    if news.creating:
        return Fault(fault.what, mend=_capital(_whereabouts(entry, news)), code=fault.code)
    return fault


def _whereabouts(entry: Entry, news: News) -> str:
    if news.creating:
        return (
            f"whether {entry.name} has arrived is not known: `scripts/loop status {entry.name}` "
            "tells, and the same command again goes on without making it twice"
        )
    return "no job was made; the same command again goes on, and sends nothing twice"


class News:
    """What the worker says, for a person: a line that moves where stderr is a terminal, else a
    line now and then, once it takes longer than two seconds."""

    def __init__(self, doing: str, total: int = 0, every: float = 5.0) -> None:
        self.doing = doing
        self.total = total
        self.every = every
        self.sent = 0
        self.creating = False
        self.live = sys.stderr.isatty()
        self.began = self.said = time.monotonic()
        self.waiting_for = ""
        self.notes: set[str] = set()
        self._show(f"innerloop: {doing} ...")

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "sign-in":
                self.line(event["text"])
            case "note":
                if event["text"] not in self.notes:
                    self.notes.add(event["text"])
                    self.line(f"innerloop: Azure ML says: {event['text']}")
            case "sent":
                self.sent = event["bytes"]
                self._progress()
            case "asking":
                self._asking(event)
            case "answered":
                self._answered(event)

    def line(self, text: str) -> None:
        """A line of its own, above the one that moves."""
        self._clear()
        _say(text)

    def end(self) -> None:
        self._clear()

    def _asking(self, event: Mapping[str, Any]) -> None:
        self.creating = self.creating or (event["method"] == "PUT" and "/jobs/" in event["path"])
        if self.waiting_for == f"{event['method']} {event['host']}{event['path']}":
            self.line(f"innerloop: no answer from {event['host']}; trying again")
        self.waiting_for = f"{event['method']} {event['host']}{event['path']}"

    def _answered(self, event: Mapping[str, Any]) -> None:
        self.waiting_for = ""
        if event["status"] == 429 or event["status"] >= 500:
            wait = f", and asks to wait {event['wait']} s" if event["wait"] else ""
            self.line(f"innerloop: Azure answered {event['status']}{wait}; trying again")

    def _progress(self) -> None:
        now = time.monotonic()
        due = 0.1 if self.live else self.every
        if now - self.began > 2 and now - self.said > due:
            self.said = now
            done = min(self.sent, self.total) if self.total else self.sent
            of = f" of {megabytes(self.total)}" if self.total else ""
            self._show(f"innerloop: {self.doing}: {megabytes(done)}{of}")

    def _show(self, text: str) -> None:
        if not self.live:
            _say(text)
            return
        width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def megabytes(size: int) -> str:
    """In MB as Azure counts them (10^6), small sizes in kB."""
    if size < 100_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
