"""A change of a text as a patch that `git apply` takes. Pure."""

from __future__ import annotations

import difflib
import re

# What git says where a file's last line has no end.
_NO_END = "\\ No newline at end of file\n"


def of(path: str, before: str | None, after: str | None) -> str:
    """None where there is no such file. Empty when nothing changes."""
    diff = difflib.unified_diff(
        _lines(before or ""),
        _lines(after or ""),
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_END}" for line in diff)


def _lines(text: str) -> list[str]:
    """By line feeds alone: the other marks at which Python ends lines stand within texts."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
