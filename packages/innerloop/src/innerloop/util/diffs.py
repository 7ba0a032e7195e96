"""Differences of texts as patches for `git apply`."""

from __future__ import annotations

import re

# What git writes after a last line without a line feed.
_NO_END = "\\ No newline at end of file\n"


def of(path: str, before: str | None, after: str | None) -> str:
    """The patch from `before` to `after`; None: no such file. Empty if they are equal."""
    import difflib  # here: mostly nothing is shown

    diff = difflib.unified_diff(
        _lines(before or ""),
        _lines(after or ""),
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_END}" for line in diff)


def _lines(text: str) -> list[str]:
    """Lines that end with line feeds only: Python's other line boundaries occur within texts."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
