"""The lines of a pod's program among those of Argo's own, which starts it and says so."""

from __future__ import annotations

import re

_ARGOS_OWN = re.compile(r'time="[^"]*" level=\w+ .*\bargo=true\b')


class Lines:
    """Whole lines, without those of Argo's own program; an unfinished one is kept back for so long
    as it could be one of those."""

    def __init__(self) -> None:
        self.open = ""

    def add(self, text: str) -> str:
        text = self.open + text
        whole, _, self.open = text.rpartition("\n")
        kept = [f"{line}\n" for line in whole.split("\n") if not _ARGOS_OWN.match(line)]
        said = "".join(kept) if whole or text.startswith("\n") else ""
        if self.open and not self.open.startswith("time="[: len(self.open)]):
            said, self.open = said + self.open, ""
        return said

    def rest(self) -> str:
        rest, self.open = self.open, ""
        return "" if _ARGOS_OWN.match(rest) else rest
