"""What waits, runs and has ended, of every backend: the rows of `loop status`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..history import in_flight, past_runs
from ..history.past_runs import PastRun
from ..local import lost_runs
from ..util import console, turns
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..util.turns import Turn
from . import base, run_records, stream_job, submission_store
from .base import JobStatus
from .submission_store import SENDING, UNSENT, SubmittedJob

# So many that have ended are shown.
MOST_ENDED = 10
# How long a service or a machine may take to say what its jobs do, in seconds.
PATIENCE = 60.0
_WAITING, _RUNNING, _ENDED = 2, 1, 0
# States without a time of the end, of what has ended.
_LEFT = frozenset({"killed", "done", "stopped", "?", "unreadable", "not sent"})
# States of services before a job's start.
_BEFORE = frozenset({"queued", "notstarted", "preparing", "provisioning", "starting", "waiting"})


@dataclass(frozen=True, slots=True)
class RunState:
    """A run of this machine, or a job that was sent: the ID is what `logs` and `cancel` take.

    `started` is when it was started or asked for; `ended`, `seconds` and `note` are "" or None where
    there is nothing to say. `status` is what the service said of a job just now, None for a run.
    """

    run: str
    experiment: str
    backend: str
    state: str
    started: str
    ended: str = ""
    seconds: float | None = None
    folder: str = ""
    note: str = ""
    status: JobStatus | None = None

    @property
    def phase(self) -> int:
        if self.state in _BEFORE and not self.ended:
            return _WAITING
        return _ENDED if self.ended or self.state in _LEFT else _RUNNING

    def json(self) -> dict[str, Any]:
        value = asdict(self)
        del value["status"]
        return {**(asdict(self.status) if self.status is not None else {}), **value}


def of_workspace(root: Path) -> list[RunState]:
    """The ended ones first, then those that run, then those that wait in their order.

    Jobs that have not ended are asked for at their services, all at once; one that cannot be asked
    is as it was known last, with a line on stderr.
    """
    lost_runs.settle_all(root)
    found = lost_runs.settle(root, past_runs.find(root))
    runs = [run for run in found if "status" not in run.record and run.folder.count("/") == 2]
    queue = turns.waiting()
    rows = [_of_run(run, queue) for run in runs]
    rows += _unrecorded(root, {row.run for row in rows})
    return in_order(merged(rows, _of_jobs(root)))


def merged(runs: Sequence[RunState], jobs: Sequence[RunState]) -> list[RunState]:
    """One row for each run: one on another machine that a command follows is a job, too. Pure.

    Of its end the run knows more; before, the machine does, since the command may be gone.
    """
    rows = {job.run: job for job in jobs}
    for run in runs:
        job = rows.get(run.run)
        if job is None:
            rows[run.run] = run
        elif run.ended:
            rows[run.run] = replace(run, backend=job.backend)
    return list(rows.values())


def in_order(rows: Sequence[RunState]) -> list[RunState]:
    """The rows to show, in their order. Pure."""
    ordered = sorted(rows, key=lambda row: (row.phase, row.started, row.run))
    ended = [row for row in ordered if row.phase == _ENDED]
    return [*ended[-MOST_ENDED:], *(row for row in ordered if row.phase != _ENDED)]


def _of_run(run: PastRun, queue: Sequence[Turn]) -> RunState:
    record = run.record
    note = str(record.get("lost") or "")
    if run.state == "waiting":
        note = place_in(queue, run.id)
    return RunState(
        run=run.id,
        experiment=run.experiment,
        backend=run.backend,
        state=run.state,
        started=str(record.get("waiting") or record.get("started") or ""),
        ended=str(record.get("ended") or ""),
        seconds=run.seconds,
        folder=run.folder,
        note=note or str(record.get("kind") or ""),
    )


def place_in(queue: Sequence[Turn], id: str) -> str:
    """How many come before it; "" before its process is in the queue. Pure."""
    for turn in queue:
        if id.startswith(turn.id):
            ahead = len(turns.ahead_of(turn, queue))
            return f"{ahead} before it" if ahead else "the next one"
    return ""


def _unrecorded(root: Path, known: set[str]) -> list[RunState]:
    """Sweeps and pipelines in a terminal, whose parts alone have records."""
    marks = [one for one in in_flight.read_all(root) if one.what in ("sweep", "pipeline")]
    return [
        RunState(mark.id, mark.experiment, "", "running", _time_in(mark.id), note=mark.what)
        for mark in marks
        if mark.id not in known and mark.is_watched
    ]


def _time_in(id: str) -> str:
    """When a run of this ID was started, in the form of a record's times: an ID has the local time."""
    try:
        local_time = datetime.strptime(id[:15], "%Y%m%d-%H%M%S")
        return local_time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def _of_jobs(root: Path) -> list[RunState]:
    """The jobs that were sent from here."""
    for error in submission_store.unreadable(root):
        console.error(error)
    jobs = submission_store.all_jobs(root)
    asked = _asked(root, [job for job in jobs if _may_go_on(job)])
    for name, status in asked.items():
        stream_job.record_status(root, name, status)
    return [_of_job(job, asked.get(job.name)) for job in jobs]


def _may_go_on(job: SubmittedJob) -> bool:
    return job.state not in (SENDING, UNSENT) and job.status not in stream_job.ENDED


def _asked(root: Path, jobs: Sequence[SubmittedJob]) -> dict[str, JobStatus]:
    """What their services say now: those of one place one after another, all places at once."""
    found: dict[str, JobStatus] = {}
    errors: dict[str, UserError] = {}

    def ask(those: Sequence[SubmittedJob]) -> None:
        try:
            with base.open_backend(those[0].backend, root, those[0].workspace) as backend:
                for job in those:
                    try:
                        found[job.name] = backend.status(job.name)
                    except UserError as error:
                        errors[job.name] = error
        except UserError as error:
            errors[those[0].name] = error

    places: dict[tuple[str, tuple[tuple[str, str], ...]], list[SubmittedJob]] = {}
    for job in jobs:
        places.setdefault((job.backend, tuple(sorted(job.workspace.items()))), []).append(job)
    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in places.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for name, error in list(errors.items()):
        console.say(f"{name} is shown as it was known last: {error.message()}")
    return dict(found)


def _of_job(job: SubmittedJob, now: JobStatus | None) -> RunState:
    status = now.status if now is not None else job.status
    state = {SENDING: "may not have arrived", UNSENT: "not sent"}.get(job.state, "")
    ended = now.ended if now is not None else ""
    seconds = run_records.seconds_between(now.started, now.ended) if now is not None else None
    word = status.lower()
    is_on_machine = job.backend in base.OF_MACHINES and bool(job.compute)
    where = f"{job.backend}:{job.compute}" if is_on_machine else job.backend
    return RunState(
        run=job.name,
        experiment=job.experiment,
        backend=where,
        state=state or past_runs.WORDS_OF_SERVICES.get(word, word) or "sent",
        started=job.at,
        ended=ended or (job.at if status in stream_job.ENDED else ""),
        seconds=seconds,
        folder=job.outputs,
        note=now.error if now is not None else "",
        status=now,
    )
