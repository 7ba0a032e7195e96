"""Follows a job on another machine over a connection that may be lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from ...util import console, process
from ...util.errors import UserError
from ...util.process import CollectedProgram
from ..base import JobStatus
from ..worker.client import silence_limit
from .connection import ConnectionLost
from .host import RemoteHost, RemoteJobState, state_of

# Seconds for which a lost connection is tried again.
LOST_LIMIT = 60.0
# An attempt that was connected for so long, in seconds, was no failure.
_A_WHILE = 5.0
_PAUSES = (0.5, 1.0, 2.0, 5.0)

Write = Callable[[bytes], object]


class JobFollower:
    """Reads a job's log from its start, and goes on where it was after an interruption.

    `at` counts the bytes that were read.
    """

    def __init__(self, host: RemoteHost, job: str) -> None:
        self.host = host
        self.job = job
        self.at = 0

    def to_end(self, write: Write) -> RemoteJobState:
        """The job's state at its end. ConnectionLost if the host stays unreachable."""
        while True:
            state = retried(
                self.host, lambda: self._once(write, follow=True), progress=lambda: self.at
            )
            if not state.is_open:
                return state

    def so_far(self, write: Write) -> RemoteJobState:
        """What there is of the log, and the state then."""
        return self._once(write, follow=False)

    def _once(self, write: Write, *, follow: bool) -> RemoteJobState:
        words = ("follow",) if follow else ("once",)
        with self.host.listen("log", self.job, str(self.at), *words) as stream:
            while chunk := stream.chunk():
                with process.deferred_interrupts():
                    write(chunk)
                    self.at += len(chunk)
            if stream.code() != 0:
                raise self.host.lost(stream)
            return state_of(stream.errors)


T = TypeVar("T")


def retried(host: RemoteHost, act: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
    """The answer of `act`, which is tried again while the connection is lost.

    ConnectionLost if the host stays unreachable. An attempt that was connected and had some time, or
    made `progress`, is the first one again.
    """
    limit = min(LOST_LIMIT, silence_limit())
    lost_at, attempt = 0.0, 0
    while True:
        began, opened, at = time.monotonic(), host.connection.opened, progress()
        try:
            return act()
        except ConnectionLost as error:
            now = time.monotonic()
            is_new = host.connection.opened > opened and (now - began > _A_WHILE or progress() > at)
            if not lost_at or is_new:
                lost_at, attempt = now, 0
                console.say(f"{host.ref.remote}: {error.what}; trying again")
            if now - lost_at >= limit:
                raise
            time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1


class Interruptions:
    """Turns Ctrl-C into the job's end: the first asks it to end, the second one takes it away.

    `first` is the first interruption, None without one.
    """

    def __init__(self, host: RemoteHost, job: str) -> None:
        self._host = host
        self._job = job
        self._running: list[CollectedProgram] = []
        self.first: KeyboardInterrupt | None = None
        self._count = 0

    def on(self, interrupt: KeyboardInterrupt) -> None:
        """Raises the third one again: the host may not answer."""
        self.first = self.first or interrupt
        self._count += 1
        if self._count > 2:
            raise interrupt
        words = ("now",) if self._count == 2 else ()
        console.say("stopping the job" if not words else "taking the job away")
        self._running.append(self._host.start("cancel", self._job, *words))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within, SIGTERM is one too; at the end no command of it is left."""
        with process.signals_as_interrupts():
            try:
                yield
            finally:
                for program in self._running:
                    with suppress(UserError):
                        program.end()


def job_status(state: RemoteJobState, name: str, experiment: str, compute: str) -> JobStatus:
    """The state in the words of every remote backend."""
    error = ""
    if state.state == "running":
        status = "Running"
    elif state.state == "queued":
        status = "Queued"
    elif state.state == "lost":
        status, error = "Failed", lost_text(state)
    elif state.code == 0:
        status = "Completed"
    elif state.canceled:
        status = "Canceled"
    else:
        status, error = "Failed", f"exit code {state.code}"
        if state.overtime is not None:
            error = f"stopped after {state.overtime} s, the job's time limit (exit code 124)"
    children = [
        {"name": part, "step": part.removeprefix(f"{name}-"), "status": one.status}
        for part, state_of_part in state.parts.items()
        for one in [job_status(state_of_part, part, experiment, compute)]
    ]
    return JobStatus(
        status=status,
        name=name,
        type="command",
        experiment=experiment,
        compute=compute,
        created=_time(state.started),
        started=_time(state.started),
        ended=_time(state.ended),
        error=error,
        children=children,
    )


def lost_text(state: RemoteJobState) -> str:
    """Why nobody knows a job's end."""
    if state.fate:
        return _FATES.get(state.fate, f"the cluster ended it ({state.fate})")
    return "its supervisor is gone: the machine was restarted, or it was killed"


# The states of a job that wrote no end. Source: squeue(1), JOB STATE CODES.
_FATES = {
    "NODE_FAIL": "a node that it ran on went down (NODE_FAIL)",
    "BOOT_FAIL": "a node that it ran on did not start (BOOT_FAIL)",
    "OUT_OF_MEMORY": "it used more memory than it had asked for (OUT_OF_MEMORY)",
    "TIMEOUT": "its time limit was over (TIMEOUT)",
    "PREEMPTED": "another job took its place (PREEMPTED)",
    "CANCELLED": "it was canceled in the cluster (CANCELLED)",
    "DEADLINE": "its deadline was over (DEADLINE)",
}


def _time(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
