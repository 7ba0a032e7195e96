"""A submission on its way: the ledger before and after, and what is known when it breaks off."""

from __future__ import annotations

import time
from pathlib import Path

from ....history import git_state
from ....util.errors import UserError
from ... import run_records, submission_store
from ...progress import News, say
from ...submission_store import Entry
from ..connection import Fault, Line
from ..workspace_ref import Target
from .submission import Submission, inputs_of, workspace_of


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
        say(f"innerloop: {_whereabouts(entry, news)}")
        raise
    news.end()
    if told["existed"]:
        say("innerloop: an earlier try had arrived: this is that job, and none was made twice")
    elif news.uploads == 0:
        say("innerloop: nothing to upload: code and environment were there already")
    else:
        took = time.monotonic() - news.began
        say(f"innerloop: sent after {took:.0f} s")
    entry = submission_store.update(
        root, entry, state=submission_store.SENT, url=told["url"], status=told["status"]
    )
    run_records.note(root, entry)
    return entry


def _before(root: Path, submission: Submission, target: Target) -> Entry:
    git, patch = submission_store.code_of(git_state.read(root))
    entry = Entry(
        name=submission.name,
        experiment=submission.experiment.name,
        slug=submission.experiment.slug,
        file=submission.job.name,
        workspace=workspace_of(target),
        state=submission_store.SENDING,
        fingerprint=submission.fingerprint,
        at=submission_store.now(),
        kind=submission.job.kind,
        sets=submission.sets,
        command=submission.parts[0].command,
        compute=submission.parts[0].compute,
        inputs=inputs_of(submission.job),
        environment=submission.parts[0].environment.digest,
        snapshots={folder: sent.digest for folder, sent in submission.snapshots.items()},
        git=git,
    )
    submission_store.write(root, entry, patch)
    return entry


def _after_a_fault(root: Path, entry: Entry, fault: Fault, news: News) -> UserError:
    news.end()
    if fault.code in ("exists", "refused", "not-found", "no-workspace", "forbidden"):
        submission_store.update(root, entry, state=submission_store.REFUSED)
        return fault
    if news.creating:
        return Fault(fault.what, hint=_capital(_whereabouts(entry, news)), code=fault.code)
    return fault


def _whereabouts(entry: Entry, news: News) -> str:
    if news.creating:
        return (
            f"whether {entry.name} has arrived is not known: `scripts/loop status {entry.name}` "
            "tells, and the same command again goes on without making it twice"
        )
    return "no job was made; the same command again goes on, and sends nothing twice"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
