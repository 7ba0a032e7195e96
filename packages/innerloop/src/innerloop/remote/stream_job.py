"""A submitted job to its end: its logs on stdout, its states on stderr, its outcome as exit code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import run_records, submission_store
from .argo.cluster_ref import Cluster
from .azureml.workspace_ref import Target
from .progress import News, say
from .worker.client import Line

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
STOPPED = 130
# Seconds that a cluster may be away while a job is followed.
LOST = 60.0


def follow(
    root: Path,
    name: str,
    target: Target | Cluster,
    line: Line,
    *,
    logs: bool = True,
    to_the_end: bool = True,
    on_end: Callable[[Mapping[str, Any]], None] | None = None,
) -> int:
    """The exit code of the job's own outcome; 0 for one that has not ended when nobody waits.
    `on_end` hears what the service said of its end."""
    screen = Screen("following" if to_the_end else f"asking for the logs of {name}")
    try:
        told = line.ask(
            "follow", target, screen.on_event, name=name, logs=logs, follow=to_the_end,
            pause=_pause(), lost=LOST,
        )  # fmt: skip
    except KeyboardInterrupt:
        screen.end()
        say(
            f"innerloop: {name} goes on without us: `scripts/loop logs {name} --follow` shows more, "
            f"`scripts/loop cancel {name}` stops it"
        )
        raise
    screen.end()
    note_status(root, name, told)
    if told["status"] not in ENDED:
        if not told["logs"] and logs:
            say(f"innerloop: {name} is {told['status']}; there are no logs yet (--follow waits)")
        return 0
    if on_end is not None:
        on_end(told)
    say(f"innerloop: {name} {outcome(told['status'], told['error'])}")
    return exit_code(told["status"], told["error"])


def exit_code(status: str, error: str) -> int:
    """0 for a completed job; the program's own code where the service tells it, else 1; 130 for
    one that somebody stopped."""
    if status == "Completed":
        return 0
    if status == "Canceled":
        return STOPPED
    found = re.search(
        r"(?:exited with status code|exit(?:ed)? (?:with )?(?:status )?code:?) (\d+)", error
    )
    return int(found[1]) % 256 or 1 if found else 1


def outcome(status: str, error: str) -> str:
    words = {"Completed": "completed", "Canceled": "was cancelled", "Failed": "failed"}
    text = words.get(status, f"ended as {status}")
    return f"{text}: {error}" if error and status != "Completed" else text


def note_status(root: Path, name: str, told: Mapping[str, Any]) -> None:
    """Keeps how a job was last seen, in the ledger and in its run's record. `told` is the worker's
    answer: `status`, and where it knows them `error`, `started` and `ended`."""
    entry = submission_store.read(root, name)
    if entry is None:
        return
    status = told["status"]
    entry = submission_store.update(root, entry, status=status, state=submission_store.SENT)
    code = exit_code(status, told.get("error", "")) if status in ENDED else None
    seconds = run_records.seconds_between(told.get("started", ""), told.get("ended", ""))
    run_records.note(root, entry, code, seconds)


class Screen(News):
    """Logs go to stdout as they are; those of a step have its name before each line."""

    def __init__(self, what: str = "following") -> None:
        super().__init__(what, every=60.0)
        self.open_line = ""

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "log":
                self._log(event["of"], event["text"])
            case "state" if event["state"] in ENDED and not event["of"]:
                pass  # the last line says it
            case "state":
                of = f"step {event['of']}: " if event["of"] else ""
                self.line(f"innerloop: {of}{event['state']}")
            case "asking" | "beat":
                pass
            case _:
                super().on_event(event)

    def end(self) -> None:
        super().end()
        if self.open_line:
            sys.stdout.write("\n")
            self.open_line = ""
        sys.stdout.flush()

    def _log(self, step: str, text: str) -> None:
        self._clear()
        for line in text.splitlines(keepends=True):
            if self.open_line not in ("", step or "\0"):
                sys.stdout.write("\n")
                self.open_line = ""
            start = f"{step} | " if step and not self.open_line else ""
            sys.stdout.write(start + line)
            self.open_line = "" if line.endswith("\n") else step or "\0"
        sys.stdout.flush()


def _pause() -> float:
    """Seconds between two looks at a job, at the least."""
    try:
        return max(float(os.environ.get("INNERLOOP_PAUSE", "")), 0.05)
    except ValueError:
        return 1.0
