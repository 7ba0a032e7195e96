"""A sequence of requests to Azure, each with a progress line on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..progress import TransferProgress, say
from ..worker import client
from .connection import AzureConnection, ServiceError
from .worker.azure_errors import scrub
from .workspace_ref import WorkspaceRef


class AzureSession:
    """Sends one request after the other.

    `logs` is the log text of the last request, `uploads` the number of files that it uploaded.
    """

    def __init__(self, root: Path, target: WorkspaceRef, connection: AzureConnection) -> None:
        self.root, self.target, self.connection = root, target, connection
        self.logs = ""
        self.uploads = 0

    def ask(self, verb: str, doing: str, size: int = 0, **fields: Any) -> Any:
        """The answer to one request. `doing` describes it; `size` is how many bytes it may send."""
        progress = _StepProgress(doing, size)
        self.logs = ""

        def on_event(event: Mapping[str, Any]) -> None:
            if event["event"] == "log":
                self.logs += event["text"]
            else:
                progress.on_event(event)

        try:
            return self.connection.ask(verb, self.target, on_event, pause=poll_interval(), **fields)
        finally:
            progress.close()
            self.uploads = progress.uploads

    def tail(self, endpoint: str, deployment: str, lines: int) -> str:
        """The last lines of a deployment's server container, or of the one that loads the model.

        The result is "" where Azure has neither.
        """
        for container in ("server", "model"):
            try:
                self.ask(
                    "endpoint_logs", f"asking for the log of {deployment}",
                    name=endpoint, deployment=deployment, lines=lines, container=container,
                )  # fmt: skip
            except ServiceError:
                continue
            if self.logs.strip():
                return last_lines(self.logs, lines)
        return ""


class _StepProgress(TransferProgress):
    """Progress of a request that may take minutes: prints the elapsed time."""

    def __init__(self, doing: str, total: int) -> None:
        super().__init__(doing, total, every=30.0)

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "heartbeat":
            self._elapsed()
        else:
            super().on_event(event)

    def _elapsed(self) -> None:
        now = time.monotonic()
        interval = 1.0 if self.live else self.every
        if now - self.started > 2 and now - self.printed > interval:
            self.printed = now
            elapsed = format_duration(now - self.started)
            self._show(f"innerloop: {self.doing}: {elapsed} so far")


def format_duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def print_log(title: str, text: str) -> None:
    """Prints a log on stderr, without keys and tokens that a program may have printed."""
    if text.strip():
        say(f"innerloop: {title}:")
        for line in text.rstrip().splitlines():
            say(f"  {scrub(line)}")


def last_lines(text: str, lines: int) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def poll_interval() -> float:
    """Seconds between two status requests for a long operation."""
    return client.poll_interval(5.0)
