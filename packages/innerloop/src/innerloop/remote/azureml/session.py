"""Steps on Azure, one after the other: each a line for the person while it lasts."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..progress import News, say
from .connection import Line
from .worker.azure_errors import scrub
from .workspace_ref import Target


class Talk:
    """Asks Azure for one step after the other. `logs` is what the last step told of logs."""

    def __init__(self, root: Path, target: Target, line: Line) -> None:
        self.root, self.target, self.line = root, target, line
        self.logs = ""
        self.uploads = 0

    def ask(self, verb: str, doing: str, size: int = 0, **words: Any) -> Any:
        """The answer of one step; `doing` says what it is, `size` the bytes that it may send."""
        step = _Step(doing, size)
        self.logs = ""

        def on_event(event: Mapping[str, Any]) -> None:
            if event["event"] == "log":
                self.logs += event["text"]
            else:
                step.on_event(event)

        try:
            return self.line.ask(verb, self.target, on_event, pause=pause(), **words)
        finally:
            step.end()
            self.uploads = step.uploads

    def tail(self, endpoint: str, deployment: str, lines: int) -> str:
        """The last lines that a deployment's container printed, or that which brings the model; ""
        where Azure has none."""
        from .connection import Fault

        for container in ("server", "model"):
            try:
                self.ask(
                    "endpoint_logs", f"asking for the log of {deployment}",
                    name=endpoint, deployment=deployment, lines=lines, container=container,
                )  # fmt: skip
            except Fault:
                continue
            if self.logs.strip():
                return last(self.logs, lines)
        return ""


class _Step(News):
    """A step that may take long: how long so far, every now and then."""

    def __init__(self, doing: str, total: int) -> None:
        super().__init__(doing, total, every=30.0)

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "beat":
            self._waiting()
        else:
            super().on_event(event)

    def _waiting(self) -> None:
        now = time.monotonic()
        due = 1.0 if self.live else self.every
        if now - self.began > 2 and now - self.said > due:
            self.said = now
            self._show(f"innerloop: {self.doing}: {minutes(now - self.began)} so far")


def minutes(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def show_log(title: str, text: str) -> None:
    """A log for the person to read, without keys and tokens that a program may have printed."""
    if text.strip():
        say(f"innerloop: {title}:")
        for one in text.rstrip().splitlines():
            say(f"  {scrub(one)}")


def last(text: str, lines: int) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def pause() -> float:
    """Seconds between two looks at something that Azure works on."""
    try:
        return max(float(os.environ.get("INNERLOOP_PAUSE", "")), 0.05)
    except ValueError:
        return 5.0
