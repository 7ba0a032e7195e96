"""Separate the lines of a pod's program from those of Argo's executor, which starts it."""

from __future__ import annotations

import re

_EXECUTOR_LINE = re.compile(r'time="[^"]*" level=\w+ .*\bargo=true\b')


class ProgramLines:
    """Passes on text without the executor's lines.

    An incomplete line is held back as long as it could be one of those.
    """

    def __init__(self) -> None:
        self.open = ""

    def add(self, text: str) -> str:
        text = self.open + text
        whole, _, self.open = text.rpartition("\n")
        lines = [f"{line}\n" for line in whole.split("\n") if not _EXECUTOR_LINE.match(line)]
        passed = "".join(lines) if whole or text.startswith("\n") else ""
        if self.open and not self.open.startswith("time="[: len(self.open)]):
            passed, self.open = passed + self.open, ""
        return passed

    def rest(self) -> str:
        rest, self.open = self.open, ""
        return "" if _EXECUTOR_LINE.match(rest) else rest
