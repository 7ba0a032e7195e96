"""Environments that a Dockerfile sets in the start file of a shell, where only some shells find them.

Source: Bash Reference Manual, "Bash Startup Files": neither a login shell nor an interactive one is
what runs a job's command.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from .dockerfile import Dockerfile
from .instructions import Instruction

_WRITTEN = late_pattern(
    r"(?:>>?|\btee\b(?:\s+-a|\s+--append)?)\s*[\"']?\S*?(?P<file>\.bashrc|\.bash_profile|\.profile|"
    r"\.bash_login|/etc/profile\S*|/etc/bash\.bashrc|\.zshrc)(?![\w-])"
)
_SHELL_INIT = late_pattern(r"\b(?:conda|mamba|micromamba shell)\s+init\b")
_SETS = late_pattern(r"\bactivate\b|\bPATH=|\bexport\s+\w+=|\bsource\s|(?:^|[\"'\s])\.\s+/")


@dataclass(frozen=True, slots=True)
class StartFile:
    """A start file that sets an environment, and the line of the step that writes it."""

    name: str
    line: int


def found_in(dockerfile: Dockerfile) -> Iterator[StartFile]:
    """None if ENV sets PATH too, which every program sees."""
    if "PATH" in dockerfile.last.environment:
        return
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if name := _written_by(instruction):
                yield StartFile(name, instruction.line)


def _written_by(instruction: Instruction) -> str:
    if instruction.keyword in ("COPY", "ADD"):
        target = (instruction.exec_form or instruction.arguments.split() or [""])[-1]
        match = _WRITTEN.search(f"> {target}")
        text = instruction.text if instruction.heredocs else "source "
        return match["file"] if match and _SETS.search(text) else ""
    if instruction.keyword != "RUN":
        return ""
    match = _WRITTEN.search(instruction.text)
    if match and _SETS.search(instruction.text):
        return match["file"]
    return ".bashrc" if _SHELL_INIT.search(instruction.text) else ""
