"""Follow a submitted job: its logs on stdout, its states on stderr, its outcome as the exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..util.printable import raw
from . import run_records, submission_store
from .base import JobStatus, RemoteBackend
from .progress import TransferProgress, say
from .worker.client import ServiceError

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
CANCELED_EXIT_CODE = 130


def follow(
    root: Path,
    name: str,
    backend: RemoteBackend,
    *,
    with_logs: bool = True,
    to_the_end: bool = True,
    on_end: Callable[[JobStatus], None] | None = None,
) -> int:
    """Follow a job, and return the exit code of its own outcome.

    The exit code is 0 for a job that has not ended, unless it is followed. `on_end` gets the status
    that the job ended with.
    """
    printer = JobLogPrinter("following" if to_the_end else f"asking for the logs of {name}")
    try:
        status, log_bytes = backend.logs(
            name, printer.on_event, with_logs=with_logs, follow=to_the_end
        )
    except KeyboardInterrupt:
        printer.close()
        say(
            f"innerloop: {name} keeps running: `scripts/loop logs {name} --follow` shows its logs, "
            f"`scripts/loop cancel {name}` stops it"
        )
        raise
    except ServiceError as error:
        printer.close()
        if not to_the_end or _is_unknown(root, name, error):
            raise
        logs = f"`scripts/loop logs {name} --follow` follows it again"
        raise error.instead_of_again(f"{name} goes on without us: {logs}") from error
    printer.close()
    record_status(root, name, status)
    if status.status not in ENDED:
        if not log_bytes and with_logs:
            say(f"innerloop: {name} is {status.status}; there are no logs yet (--follow waits)")
        return 0
    if on_end is not None:
        on_end(status)
    say(f"innerloop: {name} {describe_outcome(status.status, status.error)}")
    return exit_code(status.status, status.error)


def _is_unknown(root: Path, name: str, error: ServiceError) -> bool:
    """Whether the service does not know the job, which was not submitted from here either."""
    return error.code in ("not-found", "no-workspace") and submission_store.read(root, name) is None


def exit_code(status: str, error: str) -> int:
    """The exit code for a job's outcome.

    It is 0 for a completed job and 130 for a cancelled one; the program's own exit code where the
    error names it, else 1.
    """
    if status == "Completed":
        return 0
    if status == "Canceled":
        return CANCELED_EXIT_CODE
    match = re.search(
        r"(?:exited with status code|exit(?:ed)? (?:with )?(?:status )?code:?) (\d+)", error
    )
    return int(match[1]) % 256 or 1 if match else 1


def describe_outcome(status: str, error: str) -> str:
    words = {"Completed": "completed", "Canceled": "was cancelled", "Failed": "failed"}
    text = words.get(status, f"ended as {status}")
    return f"{text}: {error}" if error and status != "Completed" else text


def record_status(root: Path, name: str, status: JobStatus) -> None:
    """Keeps a job's status in the submission store and in its run's record."""
    job = submission_store.read(root, name)
    if job is None:
        return
    job = submission_store.update(root, job, status=status.status, state=submission_store.SENT)
    code = exit_code(status.status, status.error) if status.status in ENDED else None
    seconds = run_records.seconds_between(status.started, status.ended)
    run_records.write_record(root, job, code, seconds)


class JobLogPrinter(TransferProgress):
    """Prints logs on stdout unchanged; lines of a step or trial begin with its name."""

    def __init__(self, what: str = "following") -> None:
        super().__init__(what, every=60.0)
        self.open_line = ""
        self.is_incomplete = False

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "log":
                self._log(event["of"], event["text"])
            case "state" if event["state"] in ENDED and not event["of"]:
                pass  # `follow` prints the outcome
            case "state":
                of = f"step {event['of']}: " if event["of"] else ""
                self.line(f"innerloop: {of}{event['state']}")
            case "request" | "heartbeat":
                pass
            case _:
                super().on_event(event)

    def close(self) -> None:
        super().close()
        if self.open_line:
            self._write("\n")
            self.open_line = ""
        self._write("")

    def _log(self, step: str, text: str) -> None:
        self._clear()
        for line in text.splitlines(keepends=True):
            if self.open_line not in ("", step or "\0"):
                self._write("\n")
                self.open_line = ""
            start = f"{step} | " if step and not self.open_line else ""
            self._write(start + line)
            self.open_line = "" if line.endswith("\n") else step or "\0"
        self._write("")

    def _write(self, text: str) -> None:
        """Print it, or drop it with one line: a full disk or a gone terminal ends no following.

        A reader who has left does (BrokenPipeError).
        """
        try:
            out = raw(sys.stdout)  # a program's log is shown as it is
            out.write(text) if text else out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self.is_incomplete:
                say(f"innerloop: the output is incomplete from here: {error.strerror}")
            self.is_incomplete = True
